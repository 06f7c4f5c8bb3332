"""Whether a module does what its class says and no more: no hooks, no parametrization, no forward of its own."""

from __future__ import annotations

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


def has_hooks(module: nn.Module) -> bool:
    """Return whether something is called before or after the module, going up or down."""
    return any(getattr(module, hooks, None) for hooks in _HOOKS)
