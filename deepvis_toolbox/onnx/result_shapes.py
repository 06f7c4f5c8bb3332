"""What a call would give, without data: by rule for the commonest functions, for which torch imports its compiler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from deepvis_toolbox.network.operations import keeps_sizes

_NUMBER_BY_NUMBER = frozenset(
    {"relu", "relu6", "hardtanh", "leaky_relu", "silu", "gelu", "hardswish", "mish", "elu", "selu", "celu", "sigmoid"}
    | {"hardsigmoid", "tanh", "softplus", "softsign", "erf", "threshold", "clamp", "add", "sub", "mul", "div", "pow"}
    | {"sqrt", "exp", "log", "abs", "neg", "reciprocal", "floor", "ceil", "round", "sign", "maximum", "minimum", "eq"}
    | {"ne", "gt", "ge", "lt", "le", "logical_and", "logical_or", "logical_not", "where", "isnan", "isinf", "to"}
    | {"softmax", "log_softmax"}
)
_REDUCTIONS = frozenset({"mean", "sum", "amax", "amin"})


def result_of(function: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """Return what a function gives for tensors, of any shape and dtype, that have no data (on the device meta)."""
    name = getattr(function, "__name__", "")
    tensors = [each for each in arguments if isinstance(each, torch.Tensor)]
    if name in _NUMBER_BY_NUMBER and tensors:
        one = function(*map(_one_number, arguments), **named)
        return torch.empty(torch.broadcast_shapes(*(each.shape for each in tensors)), dtype=one.dtype, device="meta")
    if function is torch.cat and len(arguments) == 2 and all(each.ndim for each in arguments[0]):
        return _joined(arguments[0], arguments[1])
    if name in _REDUCTIONS and len(arguments) == 3 and tensors and tensors[0].ndim:
        return _reduced(function, *arguments)
    return function(*arguments, **named)


def result_of_module(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return what a module gives for a tensor, of any shape and dtype, that has no data."""
    if isinstance(module, (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)) and module.output_size == 1 and x.ndim == 4:
        return torch.empty(*x.shape[:2], 1, 1, device="meta")
    if isinstance(module, nn.Linear) and x.shape[-1:] == (module.in_features,):
        return torch.empty(*x.shape[:-1], module.out_features, device="meta")
    if keeps_sizes(module) or isinstance(module, (nn.LayerNorm, nn.GroupNorm)):
        return x
    states = {name: tensor.to("meta") for name, tensor in module.state_dict(keep_vars=True).items()}
    with torch.no_grad():
        found: torch.Tensor = torch.func.functional_call(module, states, (x,))
    return found


def _one_number(argument: Any) -> Any:
    if not isinstance(argument, torch.Tensor):
        return argument
    return torch.ones([1] * argument.ndim, dtype=argument.dtype)


def _joined(tensors: Sequence[torch.Tensor], axis: int) -> torch.Tensor:
    shapes = [list(each.shape) for each in tensors]
    others = {tuple(shape[:axis] + shape[axis + 1 :]) for shape in shapes}
    if len(others) != 1:
        raise ValueError(f"{shapes[0]} and {shapes[1]} cannot be put together along axis {axis}")
    kind = torch.cat([torch.ones(1, dtype=each.dtype) for each in tensors]).dtype
    length = sum(shape[axis] for shape in shapes)
    return torch.empty([*shapes[0][:axis], length, *shapes[0][axis + 1 :]], dtype=kind, device="meta")


def _reduced(function: Callable[..., Any], x: torch.Tensor, axes: Sequence[int], keeps: bool) -> torch.Tensor:
    gone = {range(x.ndim)[axis] for axis in axes}
    kind = function(torch.ones([1] * x.ndim, dtype=x.dtype), list(axes), keeps).dtype
    if any(x.shape[axis] == 0 for axis in gone) and function in (torch.amax, torch.amin):
        raise ValueError("there is nothing along an axis")
    shape = [1 if axis in gone else size for axis, size in enumerate(x.shape) if keeps or axis not in gone]
    return torch.empty(shape, dtype=kind, device="meta")
