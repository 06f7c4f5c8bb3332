"""What stands for a tensor while a user's forward is traced."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn

from deepvis_toolbox.network.in_place import AUGMENTED, is_number

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


class Proxy(fx.Proxy):
    """Records `x += y` as what it is; torch.fx would take it for `x = x + y`."""

    def is_tensor(self) -> bool:
        """Return whether it stands for a tensor; else for a number, or several tensors."""
        node: fx.Node = self.node
        return not is_number(node) and str(getattr(node.target, "__name__", node.target)) not in _LISTS

    def __getattr__(self, name: str) -> Any:
        if name in _LEAVE_AWAY:
            raise NotImplementedError(f"{name}: {_LEAVE_AWAY[name]}")
        return super().__getattr__(name)

    def __setitem__(self, *_: Any) -> None:
        raise NotImplementedError("it overwrites part of a tensor; make a new one with torch.cat or torch.where")


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
    if type(value) is Proxy and value.is_tensor():
        return issubclass(torch.Tensor, wanted)
    return isinstance(value, wanted)


def _recorded_augmented(function: Callable[..., Any]) -> Callable[[fx.Proxy, Any], fx.Proxy]:
    return lambda left, right: left.tracer.create_proxy("call_function", function, (left, right), {})


for _function in AUGMENTED:
    setattr(Proxy, f"__{_function.__name__}__", _recorded_augmented(_function))
