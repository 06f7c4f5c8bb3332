"""The way up for a unit that is off: its gradient taken below the nearest rectifiers, wherever these lie under it.

A unit behind pooling, concatenation, dropout or the like has a gradient of exactly zero where all its rectifiers are
off, or full. Then the operations between are computed on the values below those rectifiers, so that of a pooling window
that is all off the maximal input counts. Where weights lie between, the signal passes them as in backprop, and enters
below the rectifiers that it meets. If these lead nowhere either, the next ones below are opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from torch import fx, nn

from deepvis_toolbox.network.ascent_pass import Recorder
from deepvis_toolbox.network.execution import FoldedConvolutions, Program
from deepvis_toolbox.network.feeding import JOINING, UNIT_BY_UNIT
from deepvis_toolbox.network.graph_layers import GraphLayers
from deepvis_toolbox.network.layer_nodes import operation
from deepvis_toolbox.network.recording import Recording

DiffOf = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(a layer's values, those below its rectifier; both (M, …)) -> the diff that enters below its rectifier, (M, …)."""
Signals = dict[str, torch.Tensor]
"""{layer: the diff (M, …) that enters below its rectifier}."""


class OpenedLook(NamedTuple):
    """What a layer's units are worth below the nearest rectifiers, for M images."""

    values: torch.Tensor
    """(M, …): the layer's activations, as they are."""
    below: torch.Tensor
    """(M, …): the layer as computed from what lies below the nearest rectifiers; where weights lie between, its value
    below its own rectifier."""
    gradient: torch.Tensor
    """(M, C, H, W) by network values; zero where no rectifier that could be opened leads to the image."""


@dataclass(frozen=True)
class _Stretch:
    """The operations without weights between a layer and the layers under them."""

    top: fx.Node
    placeholder: fx.Node
    program: Program
    sources: Mapping[fx.Node, str]
    """{node whose value is replaced: the layer whose value below its rectifier takes its place}."""

    def pulled(self, recording: Recording, row: int, signal: torch.Tensor) -> tuple[torch.Tensor, Signals]:
        """Return the layer's value (1, …) for one image, and what arrives of a signal (1, …) at the layers under it."""
        with torch.inference_mode(False), torch.enable_grad():
            leaves = {
                node: recording.below_rectifier(name)[row : row + 1].clone().requires_grad_()
                for node, name in self.sources.items()
            }
            known = {self.placeholder: recording.input[row : row + 1], **leaves}
            value: torch.Tensor = self.program.go_on(known)[self.top]
            found = torch.autograd.grad(value, list(leaves.values()), signal.to(value), allow_unused=True)
        ends = zip(self.sources.values(), leaves.values(), found, strict=True)
        return value.detach(), {name: torch.zeros_like(leaf) if part is None else part for name, leaf, part in ends}


class OpenedRectifiers:
    """Looks at images through rectifiers that are opened, on one layer of any network."""

    def __init__(self, network: Recorder, described: GraphLayers, layer: str) -> None:
        self._network, self._layer = network, described.layers.canonical(layer)
        self._paths = _Paths(described, network.input_name)

    def __call__(self, x: torch.Tensor, diff_of: DiffOf) -> OpenedLook:
        """`x`: network values (M, C, H, W), the whole images, whose own gradient is zero."""
        recording = self._network.record(x, [self._layer])
        values, below = recording.activations([self._layer])[self._layer], recording.below_rectifier(self._layer)
        opened, signals = self._lowered(recording, self._layer, diff_of(values, below))
        gradient = torch.zeros_like(recording.input)
        while signals:
            for name, signal in signals.items():
                gradient += recording.backward(name, signal)[self._network.input_name]
            arrived = gradient.flatten(1).any(1)
            for signal in signals.values():
                signal[arrived] = 0
            signals = self._all_lowered(recording, signals)
        return OpenedLook(values, below if opened is None else opened, gradient)

    def _all_lowered(self, recording: Recording, signals: Signals) -> Signals:
        """Return what arrives below the rectifiers of the layers next under those of the signals."""
        lowered: Signals = {}
        for origin, signal in signals.items():
            if signal.any():
                for name, arrived in self._lowered(recording, origin, signal)[1].items():
                    lowered[name] = lowered[name] + arrived if name in lowered else arrived
        return {name: signal for name, signal in lowered.items() if signal.any()}

    def _lowered(self, recording: Recording, origin: str, signal: torch.Tensor) -> tuple[torch.Tensor | None, Signals]:
        """Return the origin's value as computed from below the rectifiers next under it, None where weights lie
        between, and what arrives there."""
        stretch = self._paths.stretch(origin)
        if stretch is not None:
            rows = [stretch.pulled(recording, row, part) for row, part in enumerate(signal.split(1))]
            names = rows[0][1]
            return torch.cat([row[0] for row in rows]), {n: torch.cat([row[1][n] for row in rows]) for n in names}
        under = self._paths.layers_under(origin)
        found = recording.backward(origin, signal, "grad", under, behind_rectifiers=True)
        shapes = {name: recording.below_rectifier(name).shape for name in under}
        return None, {name: arrived for name, arrived in found.items() if arrived.shape == shapes[name]}


class _Paths:
    """Which way a signal takes down from a layer."""

    def __init__(self, described: GraphLayers, input_name: str) -> None:
        self._graph_module, self._input = described.graph_module, input_name
        self._nodes = nodes = described.nodes
        self._modules = dict(self._graph_module.named_modules())
        self._placeholder = nodes[input_name].value
        self._layer_of_value = {own.value: name for name, own in nodes.items()}
        self._layer_of_below = {own.below: name for name, own in nodes.items()}
        self.stretch = cache(self._found_stretch)

    def layers_under(self, layer: str) -> list[str]:
        """Return the listed layers, the input left out, that are next under a layer's value below its rectifier."""
        found: dict[str, None] = {}
        waiting, seen = list(self._nodes[layer].below.all_input_nodes), set()
        while waiting:
            node = waiting.pop()
            name = self._layer_of_value.get(node)
            if name is not None and name != layer:
                found[name] = None
            elif node not in seen:
                seen.add(node)
                waiting.extend(node.all_input_nodes)
        return [name for name in found if name != self._input]

    def _found_stretch(self, layer: str) -> _Stretch | None:
        """Return the stretch; None where the layer's value below its rectifier is made with weights, or where a value
        under the stretch is no listed layer's."""
        top = self._nodes[layer].below
        sources: dict[fx.Node, str] = {}
        waiting, seen = [top], set()
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            if not operation(node).rectifier and self._passes_on(node):
                waiting.extend(node.all_input_nodes)
                continue
            name = self._source(node)
            if name is None or node is self._placeholder:
                return None
            sources[node] = name
        if top in sources and not operation(top).rectifier:  # made with weights
            return None
        program = Program(self._graph_module, {top}, FoldedConvolutions(self._graph_module), known=frozenset(sources))
        return _Stretch(top, self._placeholder, program, sources)

    def _source(self, node: fx.Node) -> str | None:
        """Return the layer whose value below its rectifier stands for the node's: below it for a rectifier, else its
        own."""
        return self._layer_of_below.get(node.all_input_nodes[0] if operation(node).rectifier else node)

    def _passes_on(self, node: fx.Node) -> bool:
        """Return whether a node only brings units on, or joins them, without weights."""
        described = operation(node)
        kind = described.elementwise or described.kind in UNIT_BY_UNIT or described.kind in JOINING
        if not kind or not node.all_input_nodes or any(below.op == "get_attr" for below in node.all_input_nodes):
            return False
        return node.op != "call_module" or not _has_state(self._modules[str(node.target)])


def _has_state(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None or next(module.buffers(), None) is not None
