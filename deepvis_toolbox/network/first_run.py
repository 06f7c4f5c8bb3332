"""A new graph's first run, on noise: does it compute what its module does, and where does each node keep the batch?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn

from deepvis_toolbox.errors import ToolboxError, reason_of
from deepvis_toolbox.network.batch_axis import lead_with_the_batch, squeeze_by_axes
from deepvis_toolbox.network.differing import agree, agree_in_double, is_rounding, nudged, refused_as_differing
from deepvis_toolbox.network.execution import Program, Values
from deepvis_toolbox.network.operations import operation_of
from deepvis_toolbox.network.plain_modules import runs_users_code
from deepvis_toolbox.network.promise import Promise, noise, same_random_numbers, state_kept, tensors_in
from deepvis_toolbox.network.users_line import told

Run = Callable[[torch.Tensor], Values]
MakeProgram = Callable[[], Program]
"""Of every node as the graph now stands."""


@dataclass
class FirstRun:
    """What was found: every node's value for one image, and what a user should know."""

    values: Values
    takes_one_at_a_time: bool = False
    """Whether what the network gives for a picture is its own only where the picture is alone in the batch."""
    notes: list[str] = field(default_factory=list)


def first_run(
    graph_module: fx.GraphModule, promise: Promise | None, make_program: MakeProgram, device: torch.device, name: str
) -> FirstRun:
    """Run the graph on two images and on one.

    Rewrites what would lose the batch. Raises `ToolboxError` where the graph does not run, or gives other values than
    the module did: `promise`, which a graph that was not made of a module has none of.
    """
    input_shape = graph_module.meta["input_shape"]

    keeps_something = any(map(runs_users_code, graph_module.children()))

    def kept() -> AbstractContextManager[None]:
        return state_kept(graph_module) if keeps_something else nullcontext()

    def run(images: torch.Tensor) -> Values:
        laid_out = images.to(device, memory_format=torch.channels_last)
        try:
            with kept(), torch.inference_mode(), same_random_numbers():
                return make_program().run(laid_out)
        except ToolboxError:
            raise
        except Exception as error:  # whatever a user's module does
            shape = "×".join(map(str, input_shape))
            raise ToolboxError(f'network "{name}" does not run on a {shape} image: {reason_of(error)}') from error

    if promise is None:
        values = run(noise(1, input_shape))
        layers = [value for node, value in values.items() if "layer" in node.meta and isinstance(value, torch.Tensor)]
        if all(value.ndim <= 4 and value.numel() for value in layers):
            return FirstRun(values)
        return FirstRun(values, notes=lead_with_the_batch(graph_module, None, values, alone=True))
    return _compared(graph_module, promise, run, make_program, device)


def _compared(
    graph_module: fx.GraphModule, promise: Promise, run: Run, make_program: MakeProgram, device: torch.device
) -> FirstRun:
    if not (promise.is_stochastic or promise.takes_one_at_a_time):
        alone = run(promise.images[:1])
        if _is_as_promised_for_the_first(promise, graph_module, alone):
            return FirstRun(alone)
    values = run(promise.images)
    drawing = _nodes_that_draw(make_program(), values, device) if promise.is_stochastic else []
    if promise.draws_unseen or (promise.is_stochastic and not drawing):
        raise ToolboxError(f"{type(promise.module).__name__}: {_DRAWN_WHILE_TRACED}")
    notes = [_told_of_drawing(drawing[0])] if drawing else []
    if not drawing:  # the order in which numbers are drawn is not the module's, so values cannot be
        _hold_against(promise, graph_module, values, run)
    if promise.takes_one_at_a_time:
        found = FirstRun(values, True, [*notes, "it takes one picture at a time, so pictures are not run in batches"])
        found.notes += lead_with_the_batch(graph_module, None, found.values, alone=True)
        graph_module.recompile()
        return found
    squeeze_by_axes(graph_module, values)
    found = FirstRun(run(promise.images[:1]), notes=notes)
    if not promise.is_stochastic:
        mixed = _first_that_mixes(graph_module, values, found.values, run)
        if mixed is not None:
            found.takes_one_at_a_time = True
            found.notes.append(
                f"what it gives for a picture depends on the others in its batch, from {told(mixed)} on, so pictures "
                "are run one at a time"
            )
    found.notes += lead_with_the_batch(graph_module, values, found.values, alone=found.takes_one_at_a_time)
    graph_module.recompile()
    return found


def _is_as_promised_for_the_first(promise: Promise, graph_module: fx.GraphModule, values: Values) -> bool:
    """Return whether one image gives what the module gave for it beside another, and every layer can be shown as it is.

    Most networks are so, and need no second look.
    """
    modules = dict(graph_module.named_modules())
    if not all(_keeps_the_batch(node, modules) for node in graph_module.graph.nodes if "layer" in node.meta):
        return False
    layers = [value for node, value in values.items() if "layer" in node.meta and isinstance(value, torch.Tensor)]
    if not all(len(value) == 1 and 2 <= value.ndim <= 4 and value.numel() for value in layers if value.ndim):
        return False
    found = _returned(graph_module, values)
    return len(found) == len(promise.outputs) and all(
        own.ndim > 0 and wanted.shape == (2, *own.shape[1:]) and agree(own, wanted[:1])
        for own, wanted in zip(found, promise.outputs, strict=True)
    )


_KEEPING = frozenset({"input", "conv", "linear", "norm", "softmax", "log_softmax", "flatten", "upsample"})


def _keeps_the_batch(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    """Return whether the first axis of what the node gives is that of what it reads, whatever the sizes: what one image
    gives cannot show it, since an axis of one might be the batch."""
    found = operation_of(node, modules)
    return found.elementwise or found.adaptive or found.window is not None or found.kind in _KEEPING


def _returned(graph_module: fx.GraphModule, values: Values) -> list[torch.Tensor]:
    returned = next(node for node in graph_module.graph.nodes if node.op == "output")
    given: list[Any] = []
    fx.node.map_arg(returned.args, lambda node: given.append(values[node]))
    return list(tensors_in(given))


def _hold_against(promise: Promise, graph_module: fx.GraphModule, values: Values, run: Run) -> None:
    found, wanted = _returned(graph_module, values), promise.outputs
    if len(found) == len(wanted):
        if all(map(agree, found, wanted)):
            return
        again = _returned(graph_module, run(nudged(promise.images)))
        triples = zip(found, again, wanted, strict=True)
        if all(agree(own, given) or is_rounding(own, off, given) for own, off, given in triples):
            return
        if agree_in_double(promise, graph_module, lambda images: _returned(graph_module, run(images))):
            return
    raise refused_as_differing(promise, graph_module, values)


def _first_that_mixes(graph_module: fx.GraphModule, two: Values, one: Values, run: Run) -> fx.Node | None:
    """Return the first node whose value for an image is another one beside a second image.

    What leads with more than the batch (windows, or tokens with the pictures inside) may have them in any order.
    """
    again: Values = {}
    for node in graph_module.graph.nodes:
        both, alone = two.get(node), one.get(node)
        if "layer" not in node.meta or not isinstance(both, torch.Tensor) or not isinstance(alone, torch.Tensor):
            continue
        twice = both.is_floating_point() and alone.ndim and both.shape == (2, *alone.shape[1:]) and len(alone) == 1
        if not twice or agree(both[:1], alone):
            continue
        again = again or run(nudged(_input_of(graph_module, one)))
        if not is_rounding(alone, again[node], both[:1]):
            found: fx.Node = node
            return found
    return None


def _input_of(graph_module: fx.GraphModule, values: Values) -> torch.Tensor:
    images: torch.Tensor = values[next(node for node in graph_module.graph.nodes if node.op == "placeholder")]
    return images


def _nodes_that_draw(program: Program, values: Values, device: torch.device) -> list[fx.Node]:
    before: list[torch.Tensor] = []
    drawing: list[fx.Node] = []

    def compare(node: fx.Node, _: Values) -> None:
        state = torch.get_rng_state() if device.type != "cuda" else torch.cuda.get_rng_state(device)
        if before and not torch.equal(before.pop(), state):
            drawing.append(node)
        before.append(state)

    with torch.inference_mode(), same_random_numbers():
        program.run(values[program.placeholder], compare)
    return drawing


def _told_of_drawing(node: fx.Node) -> str:
    return (
        f"it draws random numbers in evaluation mode too, from {told(node)} on, so its values change from pass to "
        "pass; F.dropout stops with training=self.training"
    )


_DRAWN_WHILE_TRACED = (
    "its forward draws random numbers in evaluation mode too, on which its way or a factor depends, so every pass "
    "computes something else; draw them only `if self.training`"
)
