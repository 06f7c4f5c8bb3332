"""Several numbers to one: means, sums, largest and smallest ones, and where these are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from deepvis_toolbox.onnx.operator_table import Given, enter, operator
from deepvis_toolbox.onnx.values import Value

Reduce = Callable[[Given, Value, list[int], bool], Any]


def _reduction(reduce: Reduce) -> Callable[[Given], Value]:
    def written(given: Given) -> Value:
        value = given[0]
        axes = given.whole_numbers("axes", 1)
        if axes == []:
            axes = None
        if axes is None and given.whole("noop_with_empty_axes", 0):
            return value
        places = list(range(value.rank)) if axes is None else sorted({given.axis(axis) for axis in axes})
        if not places:
            return value
        found: Value = reduce(given, value, places, bool(given.whole("keepdims", 1)))
        return found

    return written


def _by(function: Callable[..., torch.Tensor]) -> Reduce:
    return lambda given, value, axes, keeps: given.call(function, value, axes, keeps)


def _of(before: Callable[..., torch.Tensor], function: Callable[..., torch.Tensor]) -> Reduce:
    return lambda given, value, axes, keeps: given.call(function, given.call(before, value), axes, keeps)


def _length(given: Given, value: Value, axes: list[int], keeps: bool) -> Any:
    return given.call(torch.linalg.vector_norm, value, 2, axes, keeps)


def _mean(given: Given, value: Value, axes: list[int], keeps: bool) -> Any:
    return given.call(torch.mean if value.is_float else _whole_mean, value, axes, keeps)


def _whole_mean(x: torch.Tensor, axes: list[int], keeps: bool) -> torch.Tensor:
    return x.double().mean(axes, keeps).to(x.dtype)


def _product(given: Given, value: Value, axes: list[int], keeps: bool) -> Any:
    for axis in reversed(axes):
        value = given.call(torch.prod, value, axis, keeps)
    return value


def _log_sum(given: Given, value: Value, axes: list[int], keeps: bool) -> Any:
    return given.call(torch.log, given.call(torch.sum, value, axes, keeps))


for _name, _meaning, _function in (
    ("ReduceMean", "The mean along axes", _mean),
    ("ReduceSum", "The sum along axes", _by(torch.sum)),
    ("ReduceMax", "The largest along axes", _by(torch.amax)),
    ("ReduceMin", "The smallest along axes", _by(torch.amin)),
    ("ReduceProd", "The product along axes", _product),
    ("ReduceL1", "The sum of absolute values along axes", _of(torch.abs, torch.sum)),
    ("ReduceL2", "The root of the sum of squares along axes", _length),
    ("ReduceSumSquare", "The sum of squares along axes", _of(torch.square, torch.sum)),
    ("ReduceLogSum", "The logarithm of the sum along axes", _log_sum),
    ("ReduceLogSumExp", "The logarithm of the sum of exponentials along axes", _by(torch.logsumexp)),
):
    enter(_name, _meaning, _reduction(_function))


def _place(function: Callable[..., torch.Tensor]) -> Callable[[Given], Value]:
    def written(given: Given) -> Value:
        value, axis = given[0], given.axis(given.whole("axis", 0))
        keeps = bool(given.whole("keepdims", 1))
        if not given.whole("select_last_index", 0):
            found: Value = given.call(function, value, axis, keeps)
            return found
        last = value.shape[axis] - 1
        found = given.call(function, given.call(torch.flip, value, [axis]), axis, keeps)
        return given.call(torch.add, given.call(torch.mul, found, -1), last)  # type: ignore[no-any-return]

    return written


enter("ArgMax", "Where the largest along an axis is", _place(torch.argmax))
enter("ArgMin", "Where the smallest along an axis is", _place(torch.argmin))


@operator("CumSum")
def running_sum(given: Given) -> Value:
    """The sum of all up to each place along an axis."""
    (axis,) = given.whole_numbers("", 1) or [0]
    axis, value, exclusive = given.axis(axis), given[0], bool(given.whole("exclusive", 0))
    turned = bool(given.whole("reverse", 0))
    value = given.call(torch.flip, value, [axis]) if turned else value
    found: Value = given.call(torch.cumsum, value, axis)
    found = given.call(torch.sub, found, value) if exclusive else found
    return given.call(torch.flip, found, [axis]) if turned else found


@operator("TopK")
def largest_few(given: Given) -> list[Value]:
    """The largest few along an axis, and where they are."""
    count = (given.whole_numbers("k", 1) or [1])[0]
    axis = given.axis(given.whole("axis", -1))
    largest = bool(given.whole("largest", 1))
    if not 0 <= count <= given[0].shape[axis]:
        raise ValueError(f"the largest {count} of {given[0].shape[axis]} are asked for")
    found: list[Value] = list(given.call(_top, given[0], count, axis, largest))
    return found


def _top(x: torch.Tensor, count: int, axis: int, largest: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return as `torch.topk` does; of equal numbers the first."""
    found = torch.sort(x, dim=axis, descending=largest, stable=True)
    return found.values.narrow(axis, 0, count), found.indices.narrow(axis, 0, count)
