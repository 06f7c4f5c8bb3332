"""One recorded forward pass of a torch graph; autograd runs any number of backward passes over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import fx, nn

from deepvis_toolbox.errors import ToolboxError, first_few
from deepvis_toolbox.network.attention import attention_weights, in_order, read_nodes
from deepvis_toolbox.network.backward_modes import RULES, rectifiers_obey
from deepvis_toolbox.network.editing import changes_of, joined_changes
from deepvis_toolbox.network.execution import Program, Values
from deepvis_toolbox.network.full_precision import full_precision
from deepvis_toolbox.network.layer_nodes import LayerNodes, attribute, copied, depending_on, operation, reachable
from deepvis_toolbox.network.passing import DeconvSwitch
from deepvis_toolbox.network.recording import Recording
from deepvis_toolbox.network.window_attention import WindowAttention, attention_in_windows, read_in_windows
from deepvis_toolbox.words.backward import BackwardMode
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.layer import Layers, named_layers


@dataclass(frozen=True)
class Recorder:
    """What a network's recordings have in common."""

    layers: Layers
    nodes: Mapping[str, LayerNodes]
    switch: DeconvSwitch
    program_for: Callable[[Sequence[str] | None, frozenset[fx.Node], frozenset[fx.Node]], Program]
    """program_for(layers, or None for all; nodes that are known; nodes that are edited) -> what computes the layers and
    those on the way. Of layers that are joined and not edited, it computes what they are made of."""
    program_of: Callable[[Sequence[fx.Node], frozenset[fx.Node]], Program]
    """program_of(nodes, nodes that are known) -> what computes the nodes."""
    modules: Mapping[str, nn.Module]
    """By their paths; the whole one has none."""
    opaque: Sequence[str] = ()
    """Modules that hide a rectifier inside."""


class TorchRecording(Recording):
    """Keeps every layer's tensors, with the autograd graph that links them."""

    def __init__(
        self, recorder: Recorder, x: torch.Tensor, layers: Sequence[str] | None = None, edits: Sequence[Edit] = ()
    ) -> None:
        """Record a pass over `x`, network values float32 (N, C, H, W) on the network's device."""
        self._take_over(recorder)
        self._changes = changes_of(edits, self.layers, self._nodes)
        program = recorder.program_for(layers, frozenset(), frozenset(self._changes))
        with torch.inference_mode(False), torch.enable_grad():
            self.input = x.detach().clone(memory_format=torch.preserve_format)
            leaf = self.input.detach().requires_grad_()
            self._rectified: list[torch.Tensor] = []
            self._values: Values = program.run(leaf, self._link)

    def edited(self, edits: Sequence[Edit], layers: Sequence[str] | None = None) -> TorchRecording:
        """Return the pass as it is with edits, as far as `layers` need (None: all). What lies below the edits is shared
        and not computed again."""
        changes = changes_of(edits, self.layers, self._nodes)
        above = depending_on(changes)
        kept = {node: value for node, value in self._values.items() if node not in above}
        found = object.__new__(TorchRecording)
        found._take_over(self._recorder)
        found._changes, found.input = joined_changes(self._changes, changes), self.input
        found._rectified = list(self._rectified)
        program = self._recorder.program_for(layers, frozenset(kept), frozenset(changes))
        with torch.inference_mode(False), torch.enable_grad():
            kept |= {node: changes[node](kept[node]) for node in changes.keys() & kept.keys()}
            found._values = {**kept, **program.go_on(kept, found._link)}
        return found

    def _take_over(self, recorder: Recorder) -> None:
        self._recorder, self.layers = recorder, recorder.layers
        self._nodes, self._switch, self._opaque = recorder.nodes, recorder.switch, tuple(recorder.opaque)
        self._joined: dict[fx.Node, torch.Tensor] = {}
        """Layers that were joined when somebody asked for them."""

    def _link(self, node: fx.Node, values: Values) -> None:
        """See to it that a computed value is a tensor of its own in autograd's graph; then carry out its edits."""
        self._make_own(node, values)
        if node in self._changes:
            values[node] = self._changes[node](values[node])

    def _make_own(self, node: fx.Node, values: Values) -> None:
        """See to it that a computed value is a tensor of its own in autograd's graph, and keep those of rectifiers.

        A layer that only passes its input on must not share its gradient with the layers below. What depends on no
        image (a gate, or all that lies above a `detach`) has a gradient too, for the layers above it.
        """
        value = values[node]
        if not isinstance(value, torch.Tensor) or not value.is_floating_point() or node.op == "placeholder":
            return
        if not value.requires_grad:
            values[node] = value.detach().requires_grad_()
            return
        if any(values.get(below) is value for below in node.all_input_nodes):
            values[node] = torch.ops.aten.alias(value)  # unlike a view's, its strides are the value's own
        if operation(node).rectifier:
            self._rectified.append(values[node])

    def activations(self, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        return {name: self._tensor(name, self._nodes_of(name).value).detach() for name in named_layers(layers)}

    def attention(self, layer: str) -> torch.Tensor:
        asked = self.layers[self.layers.canonical(layer)]
        if asked.attends_in_windows:
            raise ToolboxError(f'layer "{layer}" attends in windows, not to all tokens: see attention_in_windows')
        if not asked.tells_attention:
            raise ToolboxError(f'layer "{layer}" tells no attention; {_attending(self.layers)}')
        value, modules = self._computing(layer), self._recorder.modules
        with torch.inference_mode(False), torch.no_grad():
            values = self._with(read_nodes(value, modules))
            return in_order(attention_weights(value, values.__getitem__, modules).detach(), value)

    def attention_in_windows(self, layer: str) -> WindowAttention:
        if not self.layers[self.layers.canonical(layer)].attends_in_windows:
            raise ToolboxError(f'layer "{layer}" attends in no windows')
        value, modules = self._computing(layer), self._recorder.modules
        with torch.inference_mode(False), torch.no_grad():
            values = self._with(read_in_windows(value, modules))
            return attention_in_windows(value, len(self.input), values.__getitem__, modules)

    def _computing(self, layer: str) -> fx.Node:
        """Return the node that computes a recorded layer, as the network holds its axes."""
        value = self._nodes_of(layer).value
        self._tensor(layer, value)
        computing: fx.Node = value.meta.get("moved", value)
        return computing

    def _with(self, nodes: Sequence[fx.Node]) -> Values:
        """Return the values that are kept, and those of the nodes, computed from them where they are not."""
        missing = [node for node in nodes if node not in self._values]
        if not missing:
            return self._values
        program = self._recorder.program_of(missing, frozenset(self._values))
        return {**self._values, **program.go_on(self._values)}

    def below_rectifier(self, layer: str) -> torch.Tensor:
        return self._tensor(layer, self._nodes_of(layer).below).detach()

    def _shape_below(self, origin: str) -> tuple[int, ...]:
        return tuple(self._tensor(origin, self._nodes_of(origin).below).shape)

    def _arrived(
        self, origin: str, diff: torch.Tensor, mode: BackwardMode, at: Sequence[str], behind_rectifiers: bool
    ) -> dict[str, torch.Tensor]:
        self._check_reachable(mode)
        start = self._tensor(origin, self._nodes_of(origin).below)
        ends = {name: self._arrival(name, behind_rectifiers) for name in at}
        linked = {name: self._nodes_of(name) for name, end in ends.items() if end.requires_grad and start.requires_grad}
        reached = linked.keys() if behind_rectifiers else reachable(self._nodes_of(origin), linked)
        arrived: dict[str, torch.Tensor | None] = {}
        if reached:
            with torch.inference_mode(False), rectifiers_obey(mode, self._rectified):
                signal = diff.detach().to(start).clone()
                self._switch.is_on = RULES[mode].passes_marked_layers
                with full_precision(signal.device):
                    tensors = [ends[name] for name in reached]
                    found = torch.autograd.grad(start, tensors, signal, retain_graph=True, allow_unused=True)
            arrived = dict(zip(reached, found, strict=True))
        gradients = {name: arrived.get(name) for name in at}
        lying = {
            name: torch.zeros_like(ends[name]) if gradient is None else gradient.detach()
            for name, gradient in gradients.items()
        }
        return {name: self._laid_as(self._end(name, behind_rectifiers), value) for name, value in lying.items()}

    def _arrived_of_sum(self, diffs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        starts = [self._tensor(origin, self._nodes_of(origin).below) for origin in diffs]
        linked = [
            (start, diff.to(start)) for start, diff in zip(starts, diffs.values(), strict=True) if start.requires_grad
        ]
        end = self._arrival(next(iter(self.layers)), behind_rectifiers=False)
        if not linked or not end.requires_grad:
            return torch.zeros_like(end)
        with torch.inference_mode(False), rectifiers_obey("grad", self._rectified), full_precision(end.device):
            self._switch.is_on = RULES["grad"].passes_marked_layers
            tensors, signals = zip(*linked, strict=True)
            found = torch.autograd.grad(tensors, end, signals, retain_graph=True, allow_unused=True)[0]
        return torch.zeros_like(end) if found is None else found.detach()

    def _end(self, name: str, behind_rectifiers: bool) -> fx.Node:
        nodes = self._nodes_of(name)
        return nodes.value if behind_rectifiers else nodes.below

    def _arrival(self, name: str, behind_rectifiers: bool) -> torch.Tensor:
        """Return the tensor whose gradient is asked for; zeros for one that was not computed, which lies above the
        origin. Of a layer that is joined here, what it is made of."""
        end = self._end(name, behind_rectifiers)
        end = self._source(end) or end
        if end in self._values:
            found: torch.Tensor = self._values[end]
            return found
        shape = (self.input.shape[0], *self.layers[name].shape)
        return torch.zeros(shape, dtype=self.input.dtype, device=self.input.device)

    def _nodes_of(self, layer: str) -> LayerNodes:
        return self._nodes[self.layers.canonical(layer)]

    def _tensor(self, layer: str, node: fx.Node) -> torch.Tensor:
        source = self._source(node)
        if node not in self._values and source is None:
            raise ToolboxError(f'layer "{layer}" was not part of this recorded forward pass; record it with that layer')
        if source is not None and node not in self._joined:
            with torch.inference_mode(False), torch.enable_grad():
                self._joined[node] = self._laid_as(node, self._values[source])
        found: torch.Tensor = self._values[node] if source is None else self._joined[node]
        return found

    def _source(self, node: fx.Node) -> fx.Node | None:
        """Return what a layer is joined of that was not joined on the way; None for all others."""
        source = copied(node)
        return source if source in self._values and node not in self._values else None

    def _laid_as(self, node: fx.Node, value: torch.Tensor) -> torch.Tensor:
        """Return the values, or the gradient, of what a layer is joined of as that layer's; others' as they are."""
        if self._source(node) is None:
            return value
        _, order, *how = node.args
        joined: torch.Tensor = node.target(value, attribute(self._recorder.modules[""], str(order.target)), *how)  # type: ignore[operator, union-attr]
        return joined

    def _check_reachable(self, mode: BackwardMode) -> None:
        """Refuse a mode whose rule cannot reach every rectifier."""
        if RULES[mode].at_rectifiers and self._opaque:
            raise ToolboxError(
                f'"{mode}" is not defined through {self._opaque[0]}, which hides a rectifier inside; use "grad"'
            )


def _attending(layers: Layers) -> str:
    names = [layer.name for layer in layers.values() if layer.tells_attention or layer.attends_in_windows]
    return f"these do: {first_few(names)}" if names else "no layer of the network does"
