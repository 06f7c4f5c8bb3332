"""What stands for a tensor while a user's forward is traced."""

from __future__ import annotations

import builtins
import math
import operator
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensor

from deepvis_toolbox.network.in_place import AUGMENTED, is_number
from deepvis_toolbox.network.rehearsal import UNKNOWN, Rehearsal

_LISTS = frozenset({"chunk", "split", "unbind", "tensor_split"})
"""Calls that give several tensors."""

_LEAVE_AWAY = {
    "register_hook": "leave the line away; network.backward gives what arrives at any layer",
    "retain_grad": "leave the line away; network.backward gives what arrives at any layer",
    "numpy": "a picture's values are not known yet; use torch's functions",
    "item": "a picture's values are not known yet; use torch.where, or keep the value a tensor",
    "tolist": "a picture's values are not known yet; keep the value a tensor",
    "backward": "leave the line away; network.backward gives what arrives at any layer",
}


_ATTRIBUTES = frozenset({"ndim", "dtype", "is_cuda", "is_quantized", "itemsize"})
_METHODS = frozenset({"dim", "ndimension", "numel", "nelement", "is_floating_point", "is_complex", "element_size"})
"""Questions about a tensor whose answer is no tensor."""


class Sizes(tuple[Any, ...]):
    """A tensor's sizes: numbers, and proxies of those that come from the batch."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return Sizes(found) if isinstance(at, slice) else found

    def numel(self) -> Any:
        """Return how many numbers the tensor holds."""
        return math.prod(self)


class Proxy(fx.Proxy):
    """Records `x += y` as what it is; torch.fx would take it for `x = x + y`. Answers what its sizes and types are."""

    def stands_for(self) -> builtins.type[Any]:
        """Return the type of what it stands for: of tensors, a number, a list; `Proxy` where that is not known."""
        known, node = self._known()[0], self.node
        if known is not UNKNOWN:
            return torch.Tensor if isinstance(known, FakeTensor) else builtins.type(known)
        several = str(getattr(node.target, "__name__", node.target)) in _LISTS
        return Proxy if is_number(node) or several else torch.Tensor

    def __getattr__(self, name: str) -> Any:
        if name in _LEAVE_AWAY:
            raise NotImplementedError(f"{name}: {_LEAVE_AWAY[name]}")
        if name == "shape" and isinstance(self._known()[0], torch.Tensor):
            return self.size()
        if name in _ATTRIBUTES | _METHODS and isinstance(self._known()[0], torch.Tensor):
            asked = [getattr(each, name) for each in self._known()]
            answers = {each() for each in asked} if name in _METHODS else set(asked)
            if len(answers) == 1:
                (answer,) = answers
                return (lambda: answer) if name in _METHODS else answer
            if name not in ("numel", "nelement"):
                raise NotImplementedError(f"{name} is another one for one picture than for several; say squeeze(1)")
        return super().__getattr__(name)

    def size(self, dim: int | None = None) -> Any:
        """Return the tensor's sizes, or one of them."""
        known = self._known()
        if not isinstance(known[0], torch.Tensor) or not all(each.ndim == known[0].ndim for each in known):
            return self._recorded("size", *(() if dim is None else (dim,)))
        if dim is None:
            return Sizes(self.size(axis) for axis in range(known[0].ndim))
        found = {each.shape[dim] for each in known}
        return found.pop() if len(found) == 1 else self._recorded("size", dim)

    def type(self, dtype: Any = None, **options: Any) -> Any:
        """Return the tensor in another type (torch.FloatTensor is nothing for a node), or what its type is called."""
        if dtype is None and isinstance(self._known()[0], torch.Tensor):
            return self._known()[0].type()
        if isinstance(dtype, type(torch.FloatTensor)):
            return self._recorded("to", dtype.dtype)
        return self._recorded("type", *(() if dtype is None else (dtype,)), **options)

    def __len__(self) -> int:
        lengths = {len(each) for each in self._known() if isinstance(each, (torch.Tensor, tuple, list, dict))}
        return lengths.pop() if len(lengths) == 1 else super().__len__()

    def __iter__(self) -> Iterator[Any]:
        lengths = {len(each) for each in self._known() if isinstance(each, (torch.Tensor, tuple, list))}
        if len(lengths) != 1:
            return super().__iter__()
        return (operator.getitem(self, at) for at in range(lengths.pop()))  # type: ignore[call-overload]

    def __bool__(self) -> bool:
        rehearsal, node = self._rehearsal, self.node
        found = UNKNOWN if rehearsal is None else rehearsal.settled(node)
        if found is not UNKNOWN:
            return bool(found)
        if node.target in (operator.eq, operator.ne) and rehearsal is not None and rehearsal.are_equal(*node.args):
            return bool(node.target is operator.eq)
        return super().__bool__()

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "data":
            raise NotImplementedError(
                "it gives a tensor other numbers at every call; keep the module that does so as one layer, by an "
                'attribute kind = "…" of its class'
            )
        super().__setattr__(name, value)

    def __setitem__(self, *_: Any) -> None:
        raise NotImplementedError("it overwrites part of a tensor; make a new one with torch.cat or torch.where")

    @property
    def _rehearsal(self) -> Rehearsal | None:
        found: Rehearsal | None = getattr(self.tracer, "rehearsal", None)
        return found

    def _known(self) -> tuple[Any, ...]:
        """Return what it stands for in batches of several sizes."""
        return (self._rehearsal.values(self.node) if self._rehearsal is not None else ()) or (UNKNOWN,)

    def _recorded(self, method: str, *args: Any, **named: Any) -> Any:
        return self.tracer.create_proxy("call_method", method, (self, *args), named)


@contextmanager
def tensors_are_told(module: nn.Module) -> Iterator[None]:
    """While it lasts, `isinstance` in the code of the module's classes, and torch.is_tensor, take proxies for tensors.

    A proxy cannot say so itself: torch's compiled code would believe it, and end the process.
    """
    spaces = [vars(sys.modules[name]) for name in _users_modules(module) if name in sys.modules]
    changed: list[tuple[dict[str, Any], str, Any]] = []
    for space in [*spaces, vars(torch)]:
        for name, value in list(space.items()):
            if value is torch.is_tensor:
                changed.append((space, name, value))
    changed += [(space, "isinstance", space.get("isinstance", _MISSING)) for space in spaces]
    for space, name, _ in changed:
        space[name] = _isinstance if name == "isinstance" else lambda value: _isinstance(value, torch.Tensor)
    try:
        yield
    finally:
        for space, name, before in changed:
            if before is _MISSING:
                space.pop(name, None)
            else:
                space[name] = before


_MISSING = object()


def _users_modules(module: nn.Module) -> set[str]:
    classes = {own for part in module.modules() for own in type(part).__mro__}
    return {own.__module__ for own in classes if own.__module__.partition(".")[0] not in ("torch", "builtins")}


def _isinstance(value: Any, wanted: Any) -> bool:
    if type(value) is Sizes:
        return issubclass(torch.Size, wanted)
    return issubclass(value.stands_for(), wanted) if type(value) is Proxy else isinstance(value, wanted)


def _recorded_augmented(function: Callable[..., Any]) -> Callable[[fx.Proxy, Any], fx.Proxy]:
    return lambda left, right: left.tracer.create_proxy("call_function", function, (left, right), {})


for _function in AUGMENTED:
    setattr(Proxy, f"__{_function.__name__}__", _recorded_augmented(_function))
