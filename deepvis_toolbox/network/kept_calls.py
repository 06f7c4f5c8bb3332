"""Calls that torch.export records as one node each, as torch.fx does: modules that are one layer, and own derivatives.

While a module is exported, each such call goes through one operation of our own that only says which call it is; what
it computes is put back into the graph that is made of the program.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree

from deepvis_toolbox.network.operations import keeps_sizes
from deepvis_toolbox.network.own_derivatives import AppliedFunction
from deepvis_toolbox.network.plain_modules import is_kept_whole

Target = str | AppliedFunction
"""The path of a module, or a user's function."""

_PLAIN = (int, float, bool, str, type(None), torch.dtype, torch.device)
_OPENED = (
    nn.MultiheadAttention, nn.Transformer, nn.TransformerEncoder, nn.TransformerDecoder,
    nn.TransformerEncoderLayer, nn.TransformerDecoderLayer,
)  # fmt: skip
"""Modules of torch's that have layers of interest inside."""


class TensorNumber(int):
    """Stands for one of the tensors that a call gives; other numbers that it gives are themselves."""


@dataclass
class KeptCall:
    """One call: of what, with which arguments beside the tensors, and how what it gives is put together."""

    target: Target
    run: Callable[..., Any]
    """Gives tensors like those that the call gives; their values don't count."""
    others: list[Any]
    """The arguments, flattened; `None` where a tensor stands."""
    is_tensor: list[bool]
    arguments: Any
    """How the arguments are put together (a pytree)."""
    like: Any = None
    """What the call gave for pictures, where it may decide by their values: a pytree of tensors."""
    given: Any = None
    """What the call gives: a pytree whose tensors are replaced by their numbers."""

    def arguments_with(self, tensors: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the positional and the named arguments around what stands for the tensors."""
        left = iter(tensors)
        leaves = [next(left) if tensor else other for tensor, other in zip(self.is_tensor, self.others, strict=True)]
        found: tuple[tuple[Any, ...], dict[str, Any]] = _pytree.tree_unflatten(leaves, self.arguments)
        return found

    def computed(self, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the tensors, of any shape and dtype, that the call gives, and note how they are put together."""
        if self.like is None:
            args, named = self.arguments_with(tensors)
            found = self.run(*args, **named)
        else:
            found = _pytree.tree_map_only(torch.Tensor, lambda leaf: _like(leaf, tensors[0]), self.like)
        numbers = itertools.count()
        self.given = _pytree.tree_map_only(torch.Tensor, lambda _: TensorNumber(next(numbers)), found)
        return [leaf for leaf in _pytree.tree_leaves(found) if isinstance(leaf, torch.Tensor)]


def _like(seen: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    """Return a tensor of the shape that was seen, for as many pictures as are given now."""
    is_batch = seen.ndim > 0 and len(seen) == PICTURES
    return given.new_empty((given.shape[0], *seen.shape[1:]) if is_batch else seen.shape, dtype=seen.dtype)


PICTURES = 2
"""So many are looked at to learn what a module gives."""


@dataclass
class KeptCalls:
    """All calls of one export, by number."""

    seen: dict[str, list[Any]]
    """What the calls of modules that say what they are by `kind` gave for pictures, by path, in order."""
    by_number: dict[int, KeptCall] = field(default_factory=dict)

    def keep(self, target: Target, run: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Record `run(*args, **named)` as one node and return what it gives; `NotImplemented` where it cannot be: its
        arguments are more than tensors and plain values, or hold no tensor."""
        leaves, spec = _pytree.tree_flatten((args, named))
        is_tensor = [isinstance(leaf, torch.Tensor) for leaf in leaves]
        others = [None if tensor else leaf for tensor, leaf in zip(is_tensor, leaves, strict=True)]
        if not any(is_tensor) or not all(type(leaf) in _PLAIN or isinstance(leaf, torch.device) for leaf in others):
            return NotImplemented
        number = next(_numbers)
        self.by_number[number] = call = KeptCall(target, run, others, is_tensor, spec, self._next_seen(target))
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        found = torch.ops.deepvis_toolbox.kept(tensors, number)
        return _pytree.tree_map_only(TensorNumber, lambda number: found[number], call.given)

    def _next_seen(self, target: Target) -> Any:
        before = sum(call.target == target for call in self.by_number.values())
        seen = self.seen.get(target, []) if isinstance(target, str) else []
        return seen[before] if before < len(seen) else None


_numbers = itertools.count()
_active: ContextVar[KeptCalls] = ContextVar("kept calls")


def _computed(given: list[torch.Tensor], call: int) -> list[torch.Tensor]:
    return _active.get().by_number[call].computed(given)


_LIBRARY = torch.library.Library("deepvis_toolbox", "DEF")
_LIBRARY.define("kept(Tensor[] given, int call) -> Tensor[]")
_LIBRARY.impl("kept", _computed, "CompositeExplicitAutograd")
torch.library.register_fake("deepvis_toolbox::kept", _computed)


def calls_seen(module: nn.Module, images: torch.Tensor) -> dict[str, list[Any]]:
    """Return what the parts that say what they are by `kind` give for pictures, float32 (N, C, H, W); each by its path,
    call by call."""
    seen: dict[str, list[Any]] = {}
    hooks = [
        part.register_forward_hook(lambda _, __, given, path=path: seen.setdefault(path, []).append(given))  # type: ignore[misc]
        for path, part in module.named_modules()
        if isinstance(getattr(type(part), "kind", None), str)
    ]
    try:
        if hooks:
            module(images.clone())
    finally:
        for hook in hooks:
            hook.remove()
    return seen


@contextmanager
def modules_kept_whole(module: nn.Module, seen: dict[str, list[Any]]) -> Iterator[KeptCalls]:
    """While it lasts, parts of the module that are one layer each are recorded as one node, with their hooks.

    `seen`: what `calls_seen` gives."""
    calls = KeptCalls(seen)
    leaves = [(path, part) for path, part in module.named_modules() if path and _is_one_node(part)]
    token = _active.set(calls)
    for path, part in leaves:
        vars(part)["_call_impl"] = _keeping(calls, path, part)
    try:
        yield calls
    finally:
        _active.reset(token)
        for _, part in leaves:
            vars(part).pop("_call_impl", None)


def _is_one_node(part: nn.Module) -> bool:
    return is_kept_whole(part) and (not isinstance(part, _OPENED) or isinstance(getattr(type(part), "kind", None), str))


def _keeping(calls: KeptCalls, path: str, part: nn.Module) -> Callable[..., Any]:
    run = nn.Module._call_impl.__get__(part)
    tried = torch.empty_like if keeps_sizes(part) else run

    def call(*args: Any, **named: Any) -> Any:
        found = calls.keep(path, tried if len(args) == 1 and not named else run, args, named)
        return run(*args, **named) if found is NotImplemented else found

    return call
