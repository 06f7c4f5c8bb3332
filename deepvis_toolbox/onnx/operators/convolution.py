"""Convolutions, and those turned round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox.onnx.operator_table import Given, operator
from deepvis_toolbox.onnx.operators.windows import Placing, padded, placing_of
from deepvis_toolbox.onnx.values import Value

_MODULES: dict[int, tuple[Any, Any]] = {
    1: (nn.Conv1d, nn.ConvTranspose1d), 2: (nn.Conv2d, nn.ConvTranspose2d), 3: (nn.Conv3d, nn.ConvTranspose3d),
}  # fmt: skip
_CALLS: dict[int, Callable[..., torch.Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


@operator("Conv")
def convolution(given: Given) -> Value:
    """A convolution of one, two or three axes."""
    value, weight, bias = given[0], given[1], given.get(2)
    placing = placing_of(given, _kernel(given, weight))
    groups = given.whole("group", 1)
    if groups < 1 or weight.shape[0] % groups or value.shape[1] != weight.shape[1] * groups:
        raise ValueError(f"weights {list(weight.shape)} in {groups} groups do not go with {value.shape[1]} channels")
    if not placing.is_even or min(placing.before) < 0:
        value = padded(given, value, placing)
        placing = Placing(placing.kernel, placing.stride, placing.dilation, *[(0,) * len(placing.kernel)] * 2)
    options = (placing.stride, placing.before, placing.dilation, groups)
    if not weight.is_settled or (bias is not None and not bias.is_settled):
        found: Value = given.call(_CALLS[len(placing.kernel)], value, weight, bias, *options)
        return found
    stride, padding, dilation, _ = options
    made = _MODULES[len(placing.kernel)][0](
        weight.shape[1] * groups, weight.shape[0], placing.kernel, stride, padding, dilation, groups,
        bias=bias is not None, device="meta",
    )  # fmt: skip
    return given.builder.module(filled(made, weight, bias), value, given.path(1))


@operator("ConvTranspose")
def transposed_convolution(given: Given) -> Value:
    """A convolution turned round, as decoders have."""
    value, weight, bias = given[0], given[1], given.get(2)
    kernel = _kernel(given, weight)
    placing = placing_of(given, kernel)
    groups = given.whole("group", 1)
    if groups < 1 or weight.shape[0] != value.shape[1] or value.shape[1] % groups:
        raise ValueError(f"weights {list(weight.shape)} in {groups} groups do not go with {value.shape[1]} channels")
    more = tuple(given.attribute("output_padding", [0] * len(kernel)))
    before, after, more = _cut(given, placing, more)
    padding = tuple(max(min(pair), 0) for pair in zip(before, after, strict=True))
    settled_bias = None if bias is None else bias.settled("bias")
    made = _MODULES[len(kernel)][1](
        weight.shape[0], weight.shape[1] * groups, kernel, placing.stride, padding, more, groups,
        bias=bias is not None, dilation=placing.dilation, device="meta",
    )  # fmt: skip
    weight.settled("weight")
    found = given.builder.module(filled(made, weight, bias if settled_bias is not None else None), value, given.path(1))
    left = tuple(taken - own for taken, own in zip(padding, before, strict=True))
    right = tuple(taken - own for taken, own in zip(padding, after, strict=True))
    return padded(given, found, Placing(kernel, placing.stride, placing.dilation, left, right))


Sides = tuple[int, ...]


def _cut(given: Given, placing: Placing, more: Sides) -> tuple[Sides, Sides, Sides]:
    """Return what is cut off on both sides, and what is added at the end; the wanted size says where the pads do
    not."""
    wanted = given.attribute("output_shape")
    automatic = given.attribute("auto_pad", "NOTSET")
    sizes = given[0].shape[2:]
    if wanted is None and automatic in ("NOTSET", "VALID"):
        return placing.before, placing.after, more
    wanted = wanted or [size * step for size, step in zip(sizes, placing.stride, strict=True)]
    wanted = wanted[-len(sizes) :]
    before, after, added = [], [], []
    for size, step, reach, extra, target in zip(sizes, placing.stride, placing.reach, more, wanted, strict=True):
        total = step * (size - 1) + extra + reach - target
        added.append(extra - min(total, 0))
        total = max(total, 0)
        less, rest = total // 2, total - total // 2
        first, second = (less, rest) if automatic == "SAME_UPPER" else (rest, less)
        before.append(first)
        after.append(second)
    return tuple(before), tuple(after), tuple(added)


def _kernel(given: Given, weight: Value) -> tuple[int, ...]:
    kernel = weight.shape[2:]
    if not 1 <= len(kernel) <= 3 or not all(kernel):
        raise ValueError(f"its weights have the shape {list(weight.shape)}")
    if tuple(given.attribute("kernel_shape", list(kernel))) != kernel:
        raise ValueError(f"its kernel_shape differs from its weights {list(weight.shape)}")
    return kernel


def filled(module: nn.Module, weight: Value, bias: Value | None) -> nn.Module:
    """Give a module made without numbers its weight and bias."""
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None:
            tensor = value.samples[0]
            if tuple(tensor.shape) != tuple(getattr(module, name).shape):
                raise ValueError(f"its {name} has the shape {list(tensor.shape)}")
            setattr(module, name, nn.Parameter(tensor, requires_grad=False))
    return module
