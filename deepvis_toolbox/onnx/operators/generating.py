"""Constants, and numbers that follow from sizes."""

from __future__ import annotations

import torch

from deepvis_toolbox.onnx.operator_table import Given, operator
from deepvis_toolbox.onnx.values import Value

_MOST = 1 << 27


@operator("Constant")
def constant(given: Given) -> Value:
    """Numbers that the file holds."""
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if given.has(name):
            found = given.attribute(name)
            kind = None if isinstance(found, torch.Tensor) else torch.float32 if "float" in name else torch.int64
            return given.known(found, kind)
    raise ValueError("it holds no numbers")


@operator("ConstantOfShape")
def constant_of_shape(given: Given) -> Value:
    """One number everywhere."""
    fill = given.attribute("value", torch.zeros(1))
    if not isinstance(fill, torch.Tensor) or fill.numel() != 1:
        raise ValueError("its value is no one number")
    sizes = given.numbers("", 0) or []
    found: Value = given.call(_everywhere, given.builder.known(fill.reshape(())), sizes)
    return found


def _everywhere(number: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    return number.expand(sizes).contiguous()


@operator("Shape")
def shape(given: Given) -> Value:
    """The sizes of the axes."""
    value = given[0]
    start, end = given.attribute("start", 0), given.attribute("end", value.rank)
    return Value(
        tuple(torch.tensor(list(sample.shape)[start:end], dtype=torch.int64) for sample in value.samples), is_known=True
    )


@operator("Size")
def size(given: Given) -> Value:
    """How many numbers there are."""
    return Value(tuple(torch.tensor(sample.numel()) for sample in given[0].samples), is_known=True)


@operator("Range")
def numbers_in_order(given: Given) -> Value:
    """Numbers from one to another by a step."""
    start, end, step = (given[index].settled("range").reshape(()).item() for index in range(3))
    if step == 0 or not abs((end - start) / step) < _MOST:
        raise ValueError("it makes more numbers than is sensible")
    kind = torch.float32 if given[0].is_float else torch.int64
    return given.builder.known(torch.arange(start, end, step, dtype=kind))


@operator("OneHot")
def one_hot(given: Given) -> Value:
    """One of two numbers at the place that an index names, the other elsewhere."""
    indices, numbers = given[0], given[2].settled("values")
    (depth,) = given.whole_numbers("", 1) or [0]
    if not 0 < depth < _MOST or numbers.numel() != 2:
        raise ValueError("its depth, or its values, are none")
    axis = given.axis(given.whole("axis", -1), behind=1)
    found: Value = given.call(_at_places, indices, depth, axis, given.builder.known(numbers))
    return found


def _at_places(indices: torch.Tensor, depth: int, axis: int, numbers: torch.Tensor) -> torch.Tensor:
    shape = [1] * (indices.ndim + 1)
    shape[axis] = depth
    places = torch.arange(depth, device=indices.device).reshape(shape)
    named = torch.where(indices < 0, indices + depth, indices).unsqueeze(axis)
    return torch.where(named == places, numbers[1], numbers[0])


@operator("EyeLike")
def identity_matrix(given: Given) -> Value:
    """Ones on a diagonal."""
    value, offset = given[0], given.whole("k", 0)
    if value.rank != 2 or value.batch_axes():
        raise ValueError("it is made like no matrix of a known size")
    ones = torch.zeros(value.shape)
    diagonal = torch.diagonal(ones, offset)
    diagonal.fill_(1)
    return given.builder.known(ones if given.whole("dtype", 1) in (1, 10, 11, 16) else ones.long())


@operator("NonZero")
def places_of_others_than_zero(given: Given) -> Value:
    """Where a constant is not zero."""
    return given.builder.known(torch.nonzero(given[0].settled("input")).t().contiguous())
