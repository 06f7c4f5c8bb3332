"""Arithmetic, number by number."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import torch

from deepvis_toolbox.onnx.operator_table import Given, enter, operator
from deepvis_toolbox.onnx.values import Value

Function = Callable[..., torch.Tensor]

_ONE: dict[str, tuple[Function, str]] = {
    "Abs": (torch.abs, "|x|"),
    "Neg": (torch.neg, "x with the other sign"),
    "Sqrt": (torch.sqrt, "The square root"),
    "Exp": (torch.exp, "e to the power of x"),
    "Log": (torch.log, "The natural logarithm"),
    "Reciprocal": (torch.reciprocal, "1 / x"),
    "Floor": (torch.floor, "x rounded down"),
    "Ceil": (torch.ceil, "x rounded up"),
    "Round": (torch.round, "x rounded, halves to even numbers"),
    "Sign": (torch.sign, "-1, 0 or 1"),
    "Sin": (torch.sin, "The sine"),
    "Cos": (torch.cos, "The cosine"),
    "Tan": (torch.tan, "The tangent"),
    "Asin": (torch.asin, "The arc sine"),
    "Acos": (torch.acos, "The arc cosine"),
    "Atan": (torch.atan, "The arc tangent"),
    "Sinh": (torch.sinh, "The hyperbolic sine"),
    "Cosh": (torch.cosh, "The hyperbolic cosine"),
    "Asinh": (torch.asinh, "The inverse of the hyperbolic sine"),
    "Acosh": (torch.acosh, "The inverse of the hyperbolic cosine"),
    "Atanh": (torch.atanh, "The inverse of the hyperbolic tangent"),
    "Not": (torch.logical_not, "Not x"),
    "IsNaN": (torch.isnan, "Whether x is no number"),
}
_TWO: dict[str, tuple[Function, str]] = {
    "Add": (torch.add, "a + b"),
    "Sub": (torch.sub, "a - b"),
    "Mul": (torch.mul, "a b"),
    "Equal": (torch.eq, "Whether a is b"),
    "Greater": (torch.gt, "Whether a is larger than b"),
    "GreaterOrEqual": (torch.ge, "Whether a is b or larger"),
    "Less": (torch.lt, "Whether a is smaller than b"),
    "LessOrEqual": (torch.le, "Whether a is b or smaller"),
    "And": (torch.logical_and, "a and b"),
    "Or": (torch.logical_or, "a or b"),
    "Xor": (torch.logical_xor, "a or b, and not both"),
}


def _of_one(function: Function) -> Callable[[Given], Any]:
    return lambda given: given.call(function, given[0])


def _of_two(function: Function) -> Callable[[Given], Any]:
    return lambda given: two(given, function, given[0], given[1])


def two(given: Given, function: Function, a: Value, b: Value) -> Value:
    """Return a function of two values; a constant of one number is written as the number."""
    given_b: Any = b
    if a.is_known is not True and a.is_float == b.is_float and b.rank <= a.rank:
        number = given.scalar(b)
        if number is not None and a.is_float:
            given_b = number
    given_a: Any = a
    if (
        given_b is b
        and not b.is_known
        and a.is_float == b.is_float
        and a.rank <= b.rank
        and _takes_number_first(function)
    ):
        number = given.scalar(a)
        if number is not None and b.is_float:
            given_a, given_b = b, number
    found: Value = given.call(function, given_a, given_b)
    return found


def _takes_number_first(function: Function) -> bool:
    """Return whether a and b may change places, so that a number in front can stand behind."""
    return function in (torch.add, torch.mul)


for _name, (_function, _meaning) in _ONE.items():
    enter(_name, _meaning, _of_one(_function))
for _name, (_function, _meaning) in _TWO.items():
    enter(_name, _meaning, _of_two(_function))


@operator("Div")
def divided(given: Given) -> Value:
    """a / b, of whole numbers without the rest."""
    a, b = given[0], given[1]
    if not a.is_float and not b.is_float:
        found: Value = given.call(torch.div, a, b, rounding_mode="trunc")
        return found
    return two(given, torch.div, a, b)


@operator("Mod")
def remainder(given: Given) -> Value:
    """The rest of a division, with the sign of b, or of a (fmod)."""
    function = torch.fmod if given.whole("fmod", 0) else torch.remainder
    return two(given, function, given[0], given[1])


@operator("Pow")
def power(given: Given) -> Value:
    """a to the power of b."""
    a, b = given[0], given[1]
    number = given.scalar(b)
    if number is not None and a.is_float and b.rank <= a.rank:
        found: Value = given.call(torch.pow, a, int(number) if number == int(number) else number)
        return found
    found = given.call(torch.pow, a, b)
    return found if a.is_float else given.call(torch.Tensor.to, found, torch.int64)


def _of_many(function: Function) -> Callable[[Given], Value]:
    def written(given: Given) -> Value:
        values = [given[index] for index in range(len(given.values))]
        found: Value = reduce(lambda a, b: given.call(function, a, b), values)
        return found

    return written


enter("Max", "The largest of several", _of_many(torch.maximum))
enter("Min", "The smallest of several", _of_many(torch.minimum))
enter("Sum", "The sum of several", _of_many(torch.add))


@operator("Mean")
def mean(given: Given) -> Value:
    """The mean of several."""
    total = _of_many(torch.add)(given)
    found: Value = given.call(torch.div, total, float(len(given.values)))
    return found


@operator("Where")
def where(given: Given) -> Value:
    """a where a condition holds, else b."""
    condition, a, b = given[0], given[1], given[2]
    other = given.scalar(b) if b.is_float and b.rank <= max(a.rank, condition.rank) else None
    first = given.scalar(a) if a.is_float and a.rank <= max(b.rank, condition.rank) else None
    written_a: Any = a if first is None or (b.is_known and other is not None) else first
    written_b: Any = b if other is None or not isinstance(written_a, Value) else other
    found: Value = given.call(torch.where, condition, written_a, written_b)
    return found


@operator("IsInf")
def is_infinite(given: Given) -> Value:
    """Whether x is infinite."""
    found: Value = given.call(torch.isinf, given[0])
    for name, sign in (("detect_negative", -1), ("detect_positive", 1)):
        if not given.whole(name, 1):
            found = given.call(torch.logical_and, found, given.call(torch.ne, given[0], sign * float("inf")))
    return found


@operator("Identity")
def identity(given: Given) -> Value:
    """x as it is."""
    return given[0]


@operator("Dropout")
def dropout(given: Given) -> list[Value]:
    """x: nothing is dropped from a trained network."""
    training = given.get(2)
    if training is not None and bool(training.settled("training_mode").any()):
        raise ValueError("it drops values at random, in training mode; export the network in evaluation mode")
    return [given[0]]


_KINDS = {1: torch.float32, 10: torch.float32, 11: torch.float32, 16: torch.float32, 9: torch.bool}
_WHOLE = {2, 3, 4, 5, 6, 7, 12, 13}


@operator("Cast")
def cast(given: Given) -> Value:
    """x as another type of number; all floats are float32 here."""
    return _cast(given, given.whole("to", 1))


def _cast(given: Given, kind: int) -> Value:
    if kind not in _KINDS and kind not in _WHOLE:
        raise ValueError(f"it makes values of type {kind}, which is not supported")
    wanted, value = _KINDS.get(kind, torch.int64), given[0]
    if value.samples[0].dtype == wanted:
        return value
    found: Value = given.call(torch.Tensor.to, value, wanted)
    return found


@operator("CastLike")
def cast_like(given: Given) -> Value:
    """x as the type of number of another value."""
    kind = given[1].samples[0].dtype
    return _cast(given, {torch.float32: 1, torch.bool: 9}.get(kind, 7))
