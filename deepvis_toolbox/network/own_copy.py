"""A user's module, copied, unwrapped and in evaluation mode: the module itself is left as it is."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from deepvis_toolbox.errors import ToolboxError, reason_of
from deepvis_toolbox.network.plain_modules import has_hooks

_WRAPPED_AS = {nn.DataParallel: "module", nn.parallel.DistributedDataParallel: "module"}
"""Modules that only see to where or how another one is computed, and what they call it."""

_QUANTISED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized", "torch.ao.nn.sparse.quantized")


def own_copy(module: nn.Module) -> nn.Module:
    """Return a copy that takes no gradients, in float32. Raises `ToolboxError` for a module that cannot be opened
    whatever it computes."""
    module = _unwrapped(module)
    name = type(module).__name__
    if any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()):
        raise ToolboxError(f"{name} is compiled by torch.jit; give the module that it was made from")
    if has_hooks(module):
        raise ToolboxError(
            f"{name} has hooks on the whole of it, which a graph does not have; put them on the modules inside, or "
            "wrap it in a module whose forward calls it"
        )
    _check_parameters(module)
    try:
        own = copy.deepcopy(module, _copied_by_hand(module))
    except Exception as error:  # whatever a user's module holds
        raise ToolboxError(
            f"{name} cannot be copied ({reason_of(error)}); copy.deepcopy must be able to copy all that it holds"
        ) from error
    _unwrap_parts(own)
    own.eval()  # a user's train may return nothing
    return own.float().requires_grad_(False)


def told_of_numbers(tensors: Iterable[torch.Tensor]) -> list[str]:
    """Return what is said of weights (any shapes and dtypes) that are no float32 numbers, which networks are computed
    in; empty where all are."""
    others = {str(each.dtype).removeprefix("torch.") for each in tensors if _is_float(each)} - {"float32"}
    return [f"its weights are {' and '.join(sorted(others))} numbers; they are computed in float32"] if others else []


def _is_float(tensor: Any) -> bool:
    return isinstance(tensor, torch.Tensor) and tensor.is_floating_point()


def told_of_weights(module: nn.Module) -> list[str]:
    """Return the same of a module's parameters and buffers."""
    return told_of_numbers(each for each in (*module.parameters(), *module.buffers()) if not is_lazy(each))


def _unwrapped(module: nn.Module) -> nn.Module:
    """Return what is inside of torch.compile and of what spreads a module over several GPUs."""
    inside = getattr(module, "_orig_mod", None)  # as torch.compile calls it
    if not isinstance(inside, nn.Module):
        inside = getattr(module, _WRAPPED_AS.get(type(module), "_"), None)
    return _unwrapped(inside) if isinstance(inside, nn.Module) and not has_hooks(module) else module


def _unwrap_parts(module: nn.Module) -> None:
    for part in list(module.modules()):
        for name, child in list(part.named_children()):
            if _unwrapped(child) is not child:
                setattr(part, name, _unwrapped(child))


def _check_parameters(module: nn.Module) -> None:
    for path, part in module.named_modules():
        own = [*part.parameters(recurse=False), *part.buffers(recurse=False)]
        if any(is_lazy(tensor) for tensor in own):
            raise ToolboxError(
                f"{path} ({type(part).__name__}) has no weights before it has seen an image; run it once on an image "
                "of the size that is wanted, or make it with its numbers of channels"
            )
        if type(part).__module__.startswith(_QUANTISED):
            raise ToolboxError(
                f"{path or 'the network'} ({type(part).__name__}) is quantised: no gradient passes it, and its maps "
                "are whole numbers; give the float module that it was made from"
            )


def _copied_by_hand(module: nn.Module) -> dict[int, Any]:
    """Return what deepcopy would stop at: weights that pruning, weight and spectral norm compute from others at every
    call, and functions under torch.jit.script, which need no copy."""
    kept = [value for part in module.modules() for value in vars(part).values()]
    computed = {id(own): own.detach().clone() for own in kept if isinstance(own, torch.Tensor) and not own.is_leaf}
    return computed | {id(own): own for own in kept if isinstance(own, torch.jit.ScriptFunction)}
