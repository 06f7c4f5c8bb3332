"""Where a graph gives other values than the module that it was made of, said in one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn
from torch.utils._python_dispatch import TorchDispatchMode

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.execution import Values
from deepvis_toolbox.network.memory_layout import lay_out_as_torch
from deepvis_toolbox.network.promise import Promise, same_random_numbers, tensors_in, with_same_parameters
from deepvis_toolbox.network.users_line import code_of, line_of, told

_TOLERANCE = 1e-3
"""Of the largest value: what rounding may add up to in a deep network, and no other computation comes near."""

_NUDGE = 1e-6

Tensors = tuple[torch.Tensor, ...]
Call = tuple[Tensors, Tensors]
"""What a module read and gave."""

_ADVICE = (
    "while it was traced, forward went another way than it goes with a picture (a type that is asked for, try and "
    "except, a value kept from an earlier call); take the other way out, or move that part into a module of its own "
    'whose class has an attribute kind = "…", which is then kept as one layer'
)
_OTHER_VALUES = "the graph gives other values than the module itself"


class GraphDiffersError(ToolboxError):
    """A graph gives other values than the module that it was made of."""


def agree(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Return whether two results, tensors of any shape and dtype, are the same up to rounding."""
    if found.shape != wanted.shape:
        return False
    if not wanted.is_floating_point() or not wanted.numel():
        return bool(torch.equal(found.to(wanted), wanted)) or not wanted.numel()
    found, wanted = found.detach().to(wanted), wanted.detach()
    difference, largest = float((found - wanted).abs().max()), float(wanted.abs().max())
    if math.isfinite(difference) and math.isfinite(largest):
        return difference <= _TOLERANCE * largest + 1e-12
    largest = float(wanted.nan_to_num(0, 0, 0).abs().max())
    return bool(torch.isclose(found, wanted, rtol=0, atol=_TOLERANCE * largest + 1e-12, equal_nan=True).all())


def nudged(images: torch.Tensor) -> torch.Tensor:
    """Return the images, float32 (N, C, H, W), with every pixel off by about as much as rounding may be."""
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0)).to(images)
    return images * (1 + _NUDGE * noise)


def is_rounding(found: Any, nudged: Any, wanted: torch.Tensor) -> bool:
    """Return whether two results, of any shape and dtype, are both nothing but rounding: means of centred maps, say.

    `nudged`: what is found for nudged images, of the same shape, and something else altogether then.
    """
    tensors = isinstance(found, torch.Tensor) and isinstance(nudged, torch.Tensor)
    if not tensors or not found.is_floating_point() or not found.shape == nudged.shape == wanted.shape:
        return False
    own, other, off = (float(each.float().norm()) for each in (found, wanted.to(found), nudged - found))
    return off > own / 10 and own / 10 < other < own * 10


def agree_in_double(
    promise: Promise, graph_module: fx.GraphModule, run: Callable[[torch.Tensor], list[torch.Tensor]]
) -> bool:
    """Return whether graph and module give the same in float64: then what they differ by in float32 is rounding, which
    a softmax of huge values, say, makes another answer of. False where they cannot be computed so.

    `run`: gives what the graph returns for images, float64 (N, C, H, W); the graph is computed in float64 meanwhile.
    """
    held = [*graph_module.parameters(), *graph_module.buffers()]
    if any(tensor.dtype == torch.float64 for tensor in held):
        return False
    images = promise.images.double()
    try:
        own, device = _itself(promise)
        with same_random_numbers(), torch.no_grad():
            wanted = tensors_in(own.double()(images.to(device)))
        graph_module.double()
        found = run(images)
    except Exception:  # of a module that makes float32 of its own
        return False
    finally:
        graph_module.float()
    return len(found) == len(wanted) and all(map(agree, found, wanted))


def refused_as_differing(promise: Promise, graph_module: fx.GraphModule, values: Values) -> GraphDiffersError:
    """Return the sentence that names the first module whose input or output differs, with the user's line."""
    lower = next((node for node in graph_module.graph.nodes if node.meta.get("autocast")), None)
    if lower is not None:
        return GraphDiffersError(
            f"{_name(promise)}: {told(lower)} is computed under torch.autocast, and networks are computed in float32; "
            "leave it away, or give it enabled=False"
        )
    last = next(node for node in reversed(graph_module.graph.nodes) if node.op != "output")
    try:
        calls = _calls_of(promise, graph_module)
    except Exception:  # of a user's module that cannot be called once more
        return _refused(promise, last, _OTHER_VALUES)
    begin = _first_not_computed(promise, graph_module, values)
    for node in graph_module.graph.nodes:
        if node.op != "call_module":
            continue
        target = str(node.target)
        made = calls.get(target, [])
        if not made:
            return _refused(promise, node, f'the module itself does not call "{target}" here')
        read, given = made.pop(0)
        if not _same(read, _read_by(node, values)):
            since = f", from {told(begin)} on" if begin not in (None, node) else ""  # type: ignore[arg-type]
            return _refused(promise, node, f'what "{target}" reads is not what it reads in the module itself{since}')
        if not _same(given, tensors_in(values[node])):
            return _refused(promise, node, f'"{target}" gives other values than in the module itself')
    left = [target for target, made in calls.items() if made]
    if left:
        return GraphDiffersError(
            f'{_name(promise)}: the module itself calls "{left[0]}" once more than its graph; {_ADVICE}'
        )
    since = f', from "{begin.meta["layer"]}" on' if begin is not None else ""
    return _refused(promise, begin or last, f"{_OTHER_VALUES}{since}")


def _first_not_computed(promise: Promise, graph_module: fx.GraphModule, values: Values) -> fx.Node | None:
    """Return the first node that makes a layer of values which the module itself computes nowhere."""
    own, device = _itself(promise)
    with _Computed() as computed, same_random_numbers(), torch.no_grad():
        own(promise.images.to(device, copy=True))
    for node in graph_module.graph.nodes:
        value = values.get(node)
        if "layer" not in node.meta or not isinstance(value, torch.Tensor) or node.op == "placeholder":
            continue
        if not any(agree(value, each) for each in computed.by_shape.get(value.shape, ())):
            found: fx.Node = node
            return found
    return None


class _Computed(TorchDispatchMode):
    """Keeps a copy of whatever torch computes."""

    def __init__(self) -> None:
        super().__init__()
        self.by_shape: dict[torch.Size, list[torch.Tensor]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Carry the operation out, and keep what it gives."""
        given = func(*args, **(kwargs or {}))
        for tensor in tensors_in(given):
            self.by_shape.setdefault(tensor.shape, []).append(tensor.clone())
        return given


def _refused(promise: Promise, node: fx.Node, problem: str) -> GraphDiffersError:
    line = line_of(node)
    at = f"{line[0]}:{line[1]}: `{code_of(line)}` of " if line else ""
    return GraphDiffersError(f"{at}{_name(promise)}: {problem}; {_ADVICE}")


def _name(promise: Promise) -> str:
    return type(promise.module).__name__


def _calls_of(promise: Promise, graph_module: fx.GraphModule) -> dict[str, list[Call]]:
    """Return every call of a module that the graph calls too, in order, as the module itself makes them."""
    own, device = _itself(promise)
    targets = {str(node.target) for node in graph_module.graph.nodes if node.op == "call_module"}
    calls: dict[str, list[Call]] = {}
    with _overheard(own, targets, calls), same_random_numbers(), torch.no_grad():
        own(promise.images.to(device, copy=True))
    return calls


def _itself(promise: Promise) -> tuple[nn.Module, torch.device]:
    """Return a copy of the module as it was before the graph was made, and where it is computed."""
    own = with_same_parameters(promise.module)
    lay_out_as_torch(own)  # of the graph's too, which is refused
    for path, part in own.named_modules():
        if path in promise.overwriting:
            part.inplace = True  # type: ignore[assignment]
    device = next((parameter.device for parameter in own.parameters()), promise.images.device)
    return own.to(device), device


@contextmanager
def _overheard(module: nn.Module, targets: set[str], calls: dict[str, list[Call]]) -> Iterator[None]:
    def listen(target: str, part: nn.Module) -> None:
        waiting: list[Tensors] = []

        def before(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            waiting.append(tuple(tensor.clone() for tensor in tensors_in((given, named))))

        def after(_: nn.Module, __: tuple[Any, ...], given: Any) -> None:
            calls.setdefault(target, []).append((waiting.pop(), tuple(t.clone() for t in tensors_in(given))))

        part.register_forward_pre_hook(before, with_kwargs=True, prepend=True)
        part.register_forward_hook(after)

    for target, part in module.named_modules(remove_duplicate=False):
        if target in targets:
            listen(target, part)
    yield


def _read_by(node: fx.Node, values: Values) -> Tensors:
    return tensors_in(fx.node.map_arg((node.args, node.kwargs), values.__getitem__))


def _same(first: Tensors, second: Tensors) -> bool:
    return len(first) == len(second) and all(map(agree, second, first))
