"""Whether a module does what its class says and no more: no hooks, no parametrization, no forward of its own."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.utils import parametrize

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def is_plain(module: nn.Module) -> bool:
    """Return whether something else with the same values may stand for the module.

    A hook may change what comes in or out; so may a weight that is computed anew at every call (pruning, weight and
    spectral norm), or a forward that was put on the module itself.
    """
    own = vars(module)
    return (
        not has_hooks(module)
        and "forward" not in own
        and not parametrize.is_parametrized(module)
        and "weight" not in own
        and "bias" not in own
    )


def runs_users_code(module: nn.Module) -> bool:
    """Return whether something is called in a module that torch did not write, and that may look at memory: `view`."""
    ours = (__name__.partition(".")[0], "torch")
    return any(type(part).__module__.partition(".")[0] not in ours or not is_plain(part) for part in module.modules())


def has_hooks(module: nn.Module) -> bool:
    """Return whether something is called before or after the module, going up or down."""
    return any(getattr(module, hooks, None) for hooks in _HOOKS)


def is_kept_whole(module: nn.Module) -> bool:
    """Return whether a graph has one node for a call of the module: torch's own, by whatever name, but for lists of
    modules, and those whose class says what they are by `kind`."""
    if isinstance(getattr(type(module), "kind", None), str):
        return True
    of_torch = module.__module__.startswith(("torch.nn", "torch.ao.nn")) and not isinstance(module, nn.Sequential)
    return of_torch or is_torchs_by_another_name(type(module))


_SAID_ANEW = frozenset({"__init__", "__repr__", "__setstate__", "extra_repr", "reset_parameters", "train", "eval"})
"""What a class may have of its own, and compute what the class above it does."""


def is_torchs_by_another_name(kind: type[nn.Module]) -> bool:
    """Return whether a user's class computes what one of torch's classes does: with other defaults, say."""
    above: type[Any] = next(each for each in kind.__mro__ if each.__module__.partition(".")[0] == "torch")
    if issubclass(above, nn.Sequential) or above.forward is nn.Module.forward:
        return False
    own = kind.__mro__[: kind.__mro__.index(above)]
    return all(
        name in _SAID_ANEW or (name.startswith("__") and not callable(value)) or not _changes(name, value, above)
        for each in own
        for name, value in vars(each).items()
    )


def _changes(name: str, value: object, above: type[Any]) -> bool:
    return hasattr(above, name) or isinstance(value, property)
