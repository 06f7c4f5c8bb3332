"""Quantised numbers, computed in float: nothing is rounded, and what an 8-bit number cannot hold is cut off."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from deepvis_toolbox.onnx.operator_table import Given, operator
from deepvis_toolbox.onnx.values import Value

TOLD = "its numbers are quantised; it is computed in float, without rounding"
_LIMITS = {2: (0, 255), 3: (-128, 127), 4: (0, 65535), 5: (-32768, 32767), 21: (0, 15), 22: (-8, 7)}
_USUAL = 2


def _laid_along(given: Given, number: Value, axis: int, rank: int) -> Value:
    if number.samples[0].numel() == 1:
        return given.builder.known(number.settled("scale").reshape(()))
    if number.rank != 1:
        raise ValueError("it is quantised in blocks, which is not supported")
    shape = [1] * rank
    shape[axis] = -1
    return given.builder.known(number.settled("scale").reshape(shape))


def _scale_and_zero(given: Given) -> tuple[Value, Value | None]:
    value = given[0]
    axis = given.axis(given.whole("axis", 1)) if given[1].samples[0].numel() > 1 else 0
    scale, zero = _laid_along(given, given[1], axis, value.rank), given.get(2)
    if zero is None:
        return scale, None
    laid = _laid_along(given, zero, axis, value.rank)
    return scale, given.call(torch.Tensor.to, laid, torch.float32)


def _limits(given: Given) -> tuple[int, int]:
    kind = given.whole("output_dtype", 0)
    name = given.node.input[2] if len(given.node.input) > 2 else ""
    kind = kind or given.builder.stored_kinds.get(name, _USUAL)
    if kind not in _LIMITS:
        raise ValueError(f"it makes numbers of type {kind}, which is not supported")
    return _LIMITS[kind]


@operator("QuantizeLinear")
def quantize(given: Given) -> Value:
    """x / scale + zero point, as an integer."""
    given.builder.notes[TOLD] = None
    value, (scale, zero), (low, high) = given[0], _scale_and_zero(given), _limits(given)
    found = given.call(torch.div, value, scale)
    found = found if zero is None else given.call(torch.add, found, zero)
    if value.is_known:
        found = given.call(torch.round, found)
    found = given.call(torch.clamp, found, low, high)
    lowest = torch.tensor(float(low)) - (zero.samples[0] if zero is not None else 0)
    highest = torch.tensor(float(high)) - (zero.samples[0] if zero is not None else 0)
    cut = _cut(given, value, lowest * scale.samples[0], highest * scale.samples[0])
    return Value(found.samples, found.node, found.is_known, (cut, scale, zero))


def _cut(given: Given, value: Value, low: torch.Tensor, high: torch.Tensor) -> Value:
    """Return the numbers without what is cut off: where they begin at zero, that is a rectifier."""
    if low.numel() == high.numel() == 1:
        found: Value = given.call(F.hardtanh, value, float(low), float(high))
        return found
    found = given.call(torch.maximum, value, given.builder.known(low))
    return given.call(torch.minimum, found, given.builder.known(high))  # type: ignore[no-any-return]


@operator("DequantizeLinear")
def dequantize(given: Given) -> Value:
    """(x - zero point) scale."""
    given.builder.notes[TOLD] = None
    value, (scale, zero) = given[0], _scale_and_zero(given)
    if value.quantized is not None and _same(value.quantized[1], scale) and _same(value.quantized[2], zero):
        return value.quantized[0]
    found = value if value.is_float else given.call(torch.Tensor.to, value, torch.float32)
    found = found if zero is None else given.call(torch.sub, found, zero)
    found = given.call(torch.mul, found, scale)
    return found  # type: ignore[no-any-return]


def _same(one: Value | None, other: Value | None) -> bool:
    if one is None or other is None:
        return one is other
    return torch.equal(one.samples[0], other.samples[0])
