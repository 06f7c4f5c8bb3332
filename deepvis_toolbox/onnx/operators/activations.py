"""Activations: each is torch's own function where there is one, so that rectifiers are known as such."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from deepvis_toolbox.onnx.operator_table import Given, enter, operator
from deepvis_toolbox.onnx.values import Value

_SIXTH = 1 / 6

_PLAIN: dict[str, tuple[Callable[..., torch.Tensor], str]] = {
    "Relu": (F.relu, "max(x, 0)"),
    "Sigmoid": (torch.sigmoid, "1 / (1 + exp(-x))"),
    "Tanh": (torch.tanh, "The hyperbolic tangent"),
    "Softplus": (F.softplus, "log(1 + exp(x))"),
    "Softsign": (F.softsign, "x / (1 + |x|)"),
    "HardSwish": (F.hardswish, "x times a sigmoid of straight lines"),
    "Mish": (F.mish, "x tanh(softplus(x))"),
    "Erf": (torch.erf, "The error function"),
}


def _plain(function: Callable[..., torch.Tensor]) -> Callable[[Given], Any]:
    return lambda given: given.call(function, given[0])


for _name, (_function, _meaning) in _PLAIN.items():
    enter(_name, _meaning, _plain(_function))


@operator("LeakyRelu")
def leaky_relu(given: Given) -> Value:
    """A ReLU with a slope below zero."""
    found: Value = given.call(F.leaky_relu, given[0], given.number("alpha", 0.01))
    return found


@operator("PRelu")
def parametric_relu(given: Given) -> Value:
    """A ReLU with trained slopes below zero."""
    value, slope = given[0], given[1]
    if slope.is_settled and value.rank > 1 and _lies_on_channels(slope.shape, value):
        found: Value = given.call(F.prelu, value, given.builder.known(slope.samples[0].reshape(-1)))
        return found
    negative = given.call(torch.mul, value, slope)
    found = given.call(torch.where, given.call(torch.ge, value, 0), value, negative)
    return found


def _lies_on_channels(shape: tuple[int, ...], value: Value) -> bool:
    """Return whether a slope's axes, laid on the value's last ones, differ along the channels only."""
    full = (1,) * (value.rank - len(shape)) + shape
    return math.prod(shape) == 1 or (
        len(full) == value.rank and full[1] == value.shape[1] == math.prod(shape) and value.rank > 1
    )


@operator("Elu")
def elu(given: Given) -> Value:
    """x, and alpha (exp(x) - 1) below zero."""
    found: Value = given.call(F.elu, given[0], given.number("alpha", 1.0))
    return found


@operator("Celu")
def celu(given: Given) -> Value:
    """x, and alpha (exp(x / alpha) - 1) below zero."""
    found: Value = given.call(F.celu, given[0], given.number("alpha", 1.0))
    return found


_SELU = (1.67326319217681884765625, 1.05070102214813232421875)


@operator("Selu")
def selu(given: Given) -> Value:
    """An ELU with a factor."""
    alpha, gamma = given.number("alpha", _SELU[0]), given.number("gamma", _SELU[1])
    if math.isclose(alpha, _SELU[0], rel_tol=1e-6) and math.isclose(gamma, _SELU[1], rel_tol=1e-6):
        found: Value = given.call(F.selu, given[0])
        return found
    found = given.call(torch.mul, given.call(F.elu, given[0], alpha), gamma)
    return found


@operator("Clip")
def clip(given: Given) -> Value:
    """x held between two numbers; 0 and 6 are a ReLU6."""
    low, high = _bound(given, "min", 1), _bound(given, "max", 2)
    if isinstance(low, Value) or isinstance(high, Value):
        found: Value = given[0]
        found = found if low is None else given.call(torch.maximum, found, _tensor(given, low))
        return found if high is None else given.call(torch.minimum, found, _tensor(given, high))
    value = given[0]
    if low == 0 and high is None:
        return given.call(F.relu, value)  # type: ignore[no-any-return]
    if (low, high) == (0, 6):
        return given.call(F.relu6, value)  # type: ignore[no-any-return]
    if low is not None and high is not None and low < high:
        return given.call(F.hardtanh if value.is_float else torch.clamp, value, low, high)  # type: ignore[no-any-return]
    return value if low is None and high is None else given.call(torch.clamp, value, low, high)


_NO_BOUND = 3.4e38


def _bound(given: Given, name: str, index: int) -> float | Value | None:
    if given.has(name):
        number: float | None = given.number(name, 0.0)
    else:
        value = given.get(index)
        number = given.scalar(value)
        if value is not None and number is None:
            return value
    if number is None or abs(number) > _NO_BOUND or math.isnan(number):
        return None
    return number if given[0].is_float else int(number)


def _tensor(given: Given, bound: float | Value) -> Value:
    return bound if isinstance(bound, Value) else given.known(bound, torch.float32)


@operator("HardSigmoid")
def hard_sigmoid(given: Given) -> Value:
    """A sigmoid of straight lines."""
    alpha, beta = given.number("alpha", 0.2), given.number("beta", 0.5)
    if beta == 0.5 and math.isclose(alpha, _SIXTH, rel_tol=1e-6):
        found: Value = given.call(F.hardsigmoid, given[0])
        return found
    found = given.call(hardsigmoid, given[0], alpha, beta)
    return found


def hardsigmoid(x: torch.Tensor, alpha: float, beta: float) -> torch.Tensor:
    """Return `alpha x + beta` held between 0 and 1, float32 of any shape: a function of its own, since it is no
    rectifier."""
    return torch.clamp(alpha * x + beta, 0, 1)


@operator("Gelu")
def gelu(given: Given) -> Value:
    """x times the normal distribution up to x."""
    found: Value = given.call(F.gelu, given[0], approximate=_approximation(given))
    return found


def _approximation(given: Given) -> str:
    way = given.attribute("approximate", "none")
    if way not in ("none", "tanh"):
        raise ValueError(f"its approximate {way[:20]} is not known")
    return str(way)


@operator("Swish")
def swish(given: Given) -> Value:
    """x times a sigmoid of alpha x."""
    alpha = given.number("alpha", 1.0)
    if alpha == 1:
        found: Value = given.call(F.silu, given[0])
        return found
    found = given.call(torch.mul, given[0], given.call(torch.sigmoid, given.call(torch.mul, given[0], alpha)))
    return found


@operator("ThresholdedRelu")
def thresholded_relu(given: Given) -> Value:
    """x where it is above alpha, else 0."""
    found: Value = given.call(F.threshold, given[0], given.number("alpha", 1.0), 0.0)
    return found


@operator("Shrink")
def shrink(given: Given) -> Value:
    """x moved towards zero by a bias, and 0 near zero."""
    edge, bias, value = given.number("lambd", 0.5), given.number("bias", 0.0), given[0]
    low = given.call(torch.where, given.call(torch.lt, value, -edge), given.call(torch.add, value, bias), 0.0)
    high = given.call(torch.sub, value, bias)
    found: Value = given.call(torch.where, given.call(torch.gt, value, edge), high, low)
    return found


def _softmax_like(function: Callable[..., torch.Tensor]) -> Callable[[Given], Value]:
    def written(given: Given) -> Value:
        value, flattens = given[0], given.opset < 13
        axis = given.axis(given.whole("axis", 1 if flattens else -1))
        if not flattens or all(size == 1 for size in value.shape[axis + 1 :]):
            found: Value = given.call(function, value, axis)
            return found
        flat = given.call(torch.flatten, value, axis)
        found = given.call(torch.reshape, given.call(function, flat, -1), value.sizes(given.builder.counts))
        return found

    return written


enter("Softmax", "Shares of one, by the exponentials", _softmax_like(F.softmax))
enter("LogSoftmax", "The logarithms of a softmax", _softmax_like(F.log_softmax))
