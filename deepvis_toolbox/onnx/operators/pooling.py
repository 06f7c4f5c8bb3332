"""Poolings, over windows and over whole maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox.onnx.operator_table import Given, operator
from deepvis_toolbox.onnx.operators.windows import Placing, kernel_of, padded, placing_of
from deepvis_toolbox.onnx.values import Value

_MAXIMA: dict[int, Any] = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
_MEANS: dict[int, Callable[..., Any]] = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
_LOWEST = float("-inf")


@operator("MaxPool")
def largest(given: Given) -> Value:
    """The largest value in each window."""
    placing, rounds_up = placing_of(given, kernel_of(given)), _rounds_up(given)
    value = given[0]
    if not value.is_float:
        value = given.call(torch.Tensor.float, value)
    if not _torch_pads(placing, placing.reach):
        value, placing = padded(given, value, placing, _LOWEST), _without_padding(placing)
    made = _MAXIMA[len(placing.kernel)](
        placing.kernel, placing.stride, placing.before, placing.dilation, ceil_mode=rounds_up
    )
    return given.builder.module(made, value, "pool")


@operator("AveragePool")
def mean(given: Given) -> Value:
    """The mean of each window."""
    placing, counts_padding = placing_of(given, kernel_of(given)), bool(given.whole("count_include_pad", 0))
    if any(step != 1 for step in placing.dilation):
        raise ValueError("its dilations are not supported")
    return _mean(given, given[0], placing, counts_padding=counts_padding)


@operator("LpPool")
def norm(given: Given) -> Value:
    """The root of the sum of powers in each window."""
    power = given.whole("p", 2)
    placing = placing_of(given, kernel_of(given))
    if any(step != 1 for step in placing.dilation) or power < 1:
        raise ValueError("its dilations, or its p, are not supported")
    count = float(torch.tensor(placing.kernel).prod())
    powers = given.call(torch.pow, given.call(torch.abs, given[0]), power)
    means = _mean(given, powers, placing, counts_padding=True)
    found: Value = given.call(torch.pow, given.call(torch.mul, means, count), 1 / power)
    return found


def _mean(given: Given, value: Value, placing: Placing, *, counts_padding: bool) -> Value:
    rounds_up, kind = _rounds_up(given), _MEANS[len(placing.kernel)]
    if _torch_pads(placing, placing.kernel):
        made = kind(placing.kernel, placing.stride, placing.before, rounds_up, counts_padding)
        return given.builder.module(made, value, "pool")
    made = kind(placing.kernel, placing.stride, 0, rounds_up, True)
    means = given.builder.module(made, padded(given, value, placing), "pool")
    if counts_padding:
        return means
    ones = F.pad(torch.ones(1, 1, *value.shape[2:]), placing.padding_for_torch())
    share = made(ones)
    found: Value = given.call(torch.div, means, given.builder.known(torch.where(share > 0, share, 1)))
    return found


def _rounds_up(given: Given) -> bool:
    return bool(given.whole("ceil_mode", 0))


def _torch_pads(placing: Placing, reach: tuple[int, ...]) -> bool:
    """Return whether torch's own padding will do: as much on both sides, and no more than half of the kernel."""
    halves = all(0 <= 2 * pad <= kernel for pad, kernel in zip(placing.before, placing.kernel, strict=True))
    return placing.is_even and halves and bool(reach)


def _without_padding(placing: Placing) -> Placing:
    none = (0,) * len(placing.kernel)
    return Placing(placing.kernel, placing.stride, placing.dilation, none, none)


@operator("GlobalAveragePool")
def mean_of_all(given: Given) -> Value:
    """The mean of each whole map."""
    return _of_all(given, nn.AdaptiveAvgPool2d(1), torch.mean)


@operator("GlobalMaxPool")
def largest_of_all(given: Given) -> Value:
    """The largest value of each whole map."""
    return _of_all(given, nn.AdaptiveMaxPool2d(1), torch.amax)


@operator("GlobalLpPool")
def norm_of_all(given: Given) -> Value:
    """The root of the sum of powers of each whole map."""
    value, power = given[0], given.whole("p", 2)
    axes = list(range(2, value.rank))
    found: Value = given.call(torch.linalg.vector_norm, value, power, axes, True)
    return found


def _of_all(given: Given, module: nn.Module, function: Callable[..., torch.Tensor]) -> Value:
    value = given[0]
    if value.rank == 4:
        return given.builder.module(module, value, "pool")
    if value.rank < 3:
        raise ValueError("it pools maps, and reads none")
    found: Value = given.call(function, value, list(range(2, value.rank)), True)
    return found
