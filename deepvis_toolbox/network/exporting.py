"""The second way from a user's nn.Module to a graph: torch.export, which runs `forward` on tensors without values.

What torch.fx cannot follow it can: loops over parameters, `torch.zeros` of sizes, modules made in `forward`, whatever
`forward` gives back. It knows the sizes of its image, but for the number of pictures, which stays open where it can.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.export import Dim, export
from torch.utils import _pytree

from deepvis_toolbox.errors import ToolboxError, reason_of
from deepvis_toolbox.network.differing import agree
from deepvis_toolbox.network.exported_graph import graph_of_program
from deepvis_toolbox.network.kept_calls import KeptCalls, calls_seen, modules_kept_whole
from deepvis_toolbox.network.own_derivatives import AppliedFunction, functions_kept_whole
from deepvis_toolbox.network.promise import (
    Promise,
    leaves_in,
    promise_of,
    same_random_numbers,
    state_kept,
    tensors_in,
    why_it_does_not_run,
)
from deepvis_toolbox.network.scripted_functions import scripted_functions_opened
from deepvis_toolbox.network.users_line import code_of, line_of_error


class _TakesTheImage(nn.Module):
    """The user's module, called with the image alone; gives the tensors that it gives, in order."""

    def __init__(self, own: nn.Module) -> None:
        super().__init__()
        self.own = own

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(leaves_in(self.own(image)))


@dataclass(frozen=True)
class Exported:
    """A graph over the parts of the user's module, and the module's own answer, for as many pictures as it takes."""

    graph: fx.Graph
    promise: Promise


def exported(own: nn.Module, promise: Promise | None, input_shape: tuple[int, int, int]) -> Exported:
    """Return the graph of a module that is in evaluation mode; its parameters and flags are left as they are.

    Where the program holds for one number of pictures alone, it is made for one picture. Raises `ToolboxError` that
    names the user's line where torch.export refuses the module.
    """
    if promise is None:
        raise ToolboxError(why_it_does_not_run(own, input_shape))
    _check_keeps_nothing(own, promise)
    if not promise.takes_one_at_a_time:
        alone = promise_of(own, input_shape, counts=(1,))
        if alone is None:
            raise ToolboxError(f"{type(own).__name__} runs on two pictures and not on one")
        if promise.is_stochastic or _is_the_first_of(alone, promise):
            program, calls = _program_of(own, promise.images, any_number=True)
            if _holds_for_any_number(program):
                return Exported(_graph(program, own, calls), promise)
        promise = replace(alone, overwriting=promise.overwriting)
    program, calls = _program_of(own, promise.images, any_number=False)
    return Exported(_graph(program, own, calls), promise)


def _check_keeps_nothing(own: nn.Module, promise: Promise) -> None:
    """Refuse a module whose answer depends on the calls before: a program would always give the first."""
    with state_kept(own), torch.no_grad():
        for _ in range(2):
            with same_random_numbers():
                found = tensors_in(own(promise.images.clone()))
    if not promise.is_stochastic and not all(map(agree, found, promise.outputs)):
        raise ToolboxError(
            f"{type(own).__name__} gives other values at its second call than at its first, for the same pictures: it "
            "keeps something from call to call, which no graph does"
        )


def _is_the_first_of(alone: Promise, two: Promise) -> bool:
    """Return whether the module gives for one picture what it gives for it beside another; `squeeze()` may have taken
    the axis of the only one away."""
    pairs = zip(alone.outputs, two.outputs, strict=False)
    return len(alone.outputs) == len(two.outputs) and all(
        both.ndim > 0 and both.numel() == 2 * one.numel() and agree(both.flatten()[: one.numel()], one.flatten())
        for one, both in pairs
    )


def _graph(program: Any, own: nn.Module, calls: KeptCalls) -> fx.Graph:
    return graph_of_program(program.module(check_guards=False), own, calls)


def _program_of(own: nn.Module, images: torch.Tensor, *, any_number: bool) -> tuple[Any, KeptCalls]:
    shapes = ({0: Dim.AUTO},) if any_number else None
    with state_kept(own), same_random_numbers(), torch.no_grad():
        seen = calls_seen(own, images)
    try:
        with (
            quiet(),
            without_fast_paths(),
            state_kept(own),
            same_random_numbers(),
            torch.enable_grad(),
            modules_kept_whole(own, seen) as calls,
            functions_kept_whole(_kept_by(calls)),
            scripted_functions_opened(_holds_fakes),
        ):
            return export(_TakesTheImage(own), (images,), dynamic_shapes=shapes, strict=False), calls
    except ToolboxError:
        raise
    except Exception as error:  # whatever a user's module does
        raise ToolboxError(_why_not_exported(own, error)) from error


def _holds_for_any_number(program: Any) -> bool:
    """Return whether nothing in `forward` was decided by the number of pictures."""
    image = next(node for node in program.graph.nodes if node.name == program.graph_signature.user_inputs[0])
    number = image.meta["val"].shape[0]
    return isinstance(number, torch.SymInt) and number.node.maybe_as_int() is None and not program._guards_code


def _kept_by(calls: KeptCalls) -> Callable[..., Any]:
    def keep(function: AppliedFunction, compute: Callable[..., Any], given: Any, named: Any) -> Any:
        found = calls.keep(function, compute, given, named)
        if found is NotImplemented and _holds_fakes((given, named)):
            raise ToolboxError(
                f"{function.__name__} has a backward of its own, which torch.export keeps where its arguments are "
                "tensors and plain values alone"
            )
        return found

    return keep


def _holds_fakes(given: Any) -> bool:
    return any(isinstance(leaf, FakeTensor) for leaf in _pytree.tree_leaves(given))


@contextmanager
def without_fast_paths() -> Iterator[None]:
    """While it lasts, torch's transformers go the way that has layers inside."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextmanager
def quiet() -> Iterator[None]:
    """While it lasts, torch.export keeps what it logs and warns of to itself: what matters is said in one sentence."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _why_not_exported(own: nn.Module, error: Exception) -> str:
    line, name = line_of_error(error), type(own).__name__
    reason = _REASONS.get(type(error).__name__, "") or reason_of(error)
    if line is None:
        return f"{name} cannot be exported by torch.export: {reason}"
    return f"{line[0]}:{line[1]}: torch.export cannot follow `{code_of(line)}` of {name} ({reason})"


_REASONS = {
    "GuardOnDataDependentSymNode": "a decision depends on a picture's values",
    "DataDependentOutputException": "a decision depends on a picture's values",
}
