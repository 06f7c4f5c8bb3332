"""Parts of tensors, and tensors put together."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from deepvis_toolbox.onnx.operator_table import Given, operator
from deepvis_toolbox.onnx.operators.shapes import expanded
from deepvis_toolbox.onnx.values import Number, Size, Value

_FAR = 1 << 40


@operator("Concat")
def concat(given: Given) -> Value:
    """Tensors one behind the other along an axis."""
    values = [given[index] for index in range(len(given.values))]
    axis = given.axis(given.whole("axis", 1))
    if given.builder.has_one_image:
        values = _as_many_images(given, values, axis)
    if len(values) == 1:
        return values[0]
    if any(value.is_float for value in values) and not all(value.is_float for value in values):
        raise ValueError("it puts floats and whole numbers together")
    found: Value = given.call(torch.cat, values, axis)
    return found


def _as_many_images(given: Given, values: list[Value], axis: int) -> list[Value]:
    """Repeat what was written for one image, such as a class token, where the others hold several."""
    grown = next((value for value in values if value.batch_axes() and axis not in value.batch_axes()), None)
    if grown is None:
        return values
    wanted = grown.sizes(given.builder.counts)
    many = []
    for value in values:
        own = value.sizes(given.builder.counts)
        if len(own) == len(wanted):
            own = [new if old == 1 and isinstance(new, Size) else old for old, new in zip(own, wanted, strict=True)]
        many.append(expanded(given, value, own))
    return many


@operator("Split")
def split(given: Given) -> list[Value]:
    """A tensor in parts along an axis."""
    value, axis = given[0], given.axis(given.whole("axis", 0))
    sizes = given.whole_numbers("split", 1)
    length = value.shape[axis]
    if sizes is None:
        count = given.whole("num_outputs", given.wanted)
        part = -(-length // max(count, 1))
        sizes = [max(min(part, length - part * index), 0) for index in range(count)]
    if sum(sizes) != length or any(size < 0 for size in sizes) or not 0 < len(sizes) <= 4096:
        raise ValueError(f"parts of {sizes[:8]} do not make {length}")
    found: list[Value] = list(given.call(torch.split, value, sizes, axis))
    return found


@operator("Slice")
def part(given: Given) -> Value:
    """From one place to another along axes."""
    value = given[0]
    starts, ends = (given.numbers(name, index) or [] for index, name in ((1, "starts"), (2, "ends")))
    axes = given.whole_numbers("axes", 3)
    axes = list(range(len(starts))) if axes is None else axes
    steps = given.whole_numbers("steps", 4) or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise ValueError("its starts, ends, axes and steps do not go together")
    index: list[Any] = [slice(None)] * value.rank
    turned = []
    for start, end, written, step in zip(starts, ends, axes, steps, strict=True):
        axis = given.axis(written)
        if step == 0:
            raise ValueError("its step is 0")
        if step < 0:
            turned.append(axis)
            start, end = _from_behind(start, end, value.sizes(given.builder.counts)[axis])
        index[axis] = slice(_near(start), _near(end), abs(step))
    found = given.call(torch.flip, value, turned) if turned else value
    return _indexed(given, found, index)


def _from_behind(start: Number, end: Number, length: Number) -> tuple[int, int]:
    """Return the start and end in a turned axis, of a step backwards."""
    if not isinstance(start, int) or not isinstance(end, int) or not isinstance(length, int):
        raise ValueError("it steps backwards over the images")
    start, end = (place + length if place < 0 else place for place in (start, end))
    start, end = max(min(start, length - 1), -1), max(min(end, length - 1), -1)
    return length - 1 - start, length - 1 - end


def _near(place: Number) -> Number | None:
    if isinstance(place, int) and abs(place) >= _FAR:
        return None if place > 0 else 0
    return place


def _indexed(given: Given, value: Value, index: list[Any]) -> Value:
    while index and index[-1] == slice(None):
        index.pop()
    found = value
    for axis, each in enumerate(index):
        start, end = each.start, each.stop
        if each == slice(None) or (start in (None, 0) and end is None and each.step in (None, 1)):
            continue
        found = given.call(torch.ops.aten.slice.Tensor, found, axis, start or 0, end, each.step or 1)
    return found


@operator("Gather")
def gather(given: Given) -> Value:
    """The entries along an axis that indices name."""
    value, indices = given[0], given[1]
    axis = given.axis(given.whole("axis", 0))
    length = value.shape[axis]
    number = given.scalar(indices) if indices.rank == 0 else None
    if number is not None:
        if not -length <= number < length:
            raise ValueError(f"index {number:g} is not among {length}")
        found: Value = given.call(torch.select, value, axis, int(number))
        return found
    if indices.is_settled:
        places = indices.samples[0]
        if places.numel() and not (-length <= int(places.min()) and int(places.max()) < length):
            raise ValueError(f"its indices are not all among {length}")
        indices = given.builder.known(torch.where(places < 0, places + length, places))
    found = given.call(torch.index_select, value, axis, given.call(torch.reshape, indices, [-1]))
    if indices.rank == 1:
        return found
    sizes, inside = value.sizes(given.builder.counts), indices.sizes(given.builder.counts)
    return given.call(torch.reshape, found, [*sizes[:axis], *inside, *sizes[axis + 1 :]])  # type: ignore[no-any-return]


@operator("GatherElements")
def gather_elements(given: Given) -> Value:
    """For each place the entry along an axis that its index names."""
    value, axis = given[0], given.axis(given.whole("axis", 0))
    places = given[1].settled("indices")
    length = value.shape[axis]
    if places.numel() and not (-length <= int(places.min()) and int(places.max()) < length):
        raise ValueError(f"its indices are not all among {length}")
    found: Value = given.call(torch.gather, value, axis, given.builder.known(places % max(length, 1)))
    return found


_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


@operator("Pad")
def pad(given: Given) -> Value:
    """More at the borders: a number, the border repeated, or the maps mirrored or going round."""
    value, mode = given[0], given.attribute("mode", "constant")
    pads = given.whole_numbers("pads", 1) or []
    axes = given.whole_numbers("", 3) if given.get(3) is not None else None
    axes = list(range(value.rank)) if axes is None else [given.axis(axis) for axis in axes]
    if len(pads) != 2 * len(axes) or mode not in _MODES:
        raise ValueError("its pads do not go with its axes, or its mode is not known")
    pairs = {axis: (pads[place], pads[place + len(axes)]) for place, axis in enumerate(axes)}
    padded = [axis for axis, pair in pairs.items() if any(pair)]
    if not padded:
        return value
    sides = [number for axis in range(value.rank - 1, min(padded) - 1, -1) for number in pairs.get(axis, (0, 0))]
    if mode == "constant":
        fill = given.number("value", 0.0) if given.has("value") else given.scalar(given.get(2)) or 0.0
        found: Value = given.call(F.pad, value, sides, "constant", fill)
        return found
    return _padded_by_itself(given, value, sides, _MODES[mode])


def _padded_by_itself(given: Given, value: Value, sides: list[int], mode: str) -> Value:
    axes = value.rank - 2
    if len(sides) > 2 * axes or not 1 <= axes <= 3:
        raise ValueError("it repeats other axes than those of places")
    outer = [max(side, 0) for side in sides] + [0] * (2 * axes - len(sides))
    found: Value = given.call(F.pad, value, outer, mode) if any(outer) else value
    inner = [min(side, 0) for side in sides]
    return given.call(F.pad, found, inner) if any(inner) else found  # type: ignore[no-any-return]


@operator("Trilu")
def triangle(given: Given) -> Value:
    """The upper or the lower triangle of matrices; the rest is 0."""
    offset = given.whole_numbers("", 1) or [0]
    function = torch.triu if given.whole("upper", 1) else torch.tril
    found: Value = given.call(function, given[0], offset[0])
    return found
