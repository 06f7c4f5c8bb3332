"""What changes a tensor's shape alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from deepvis_toolbox.onnx.operator_table import Given, operator
from deepvis_toolbox.onnx.values import Number, Size, Value, size_of


@operator("Reshape")
def reshape(given: Given) -> Value:
    """The same numbers in another shape."""
    value, wanted = given[0], given[1]
    if not wanted.is_known:
        raise ValueError("the shape is computed from the image, and must be known when it is opened")
    keeps_zeros = bool(given.whole("allowzero", 0))
    axes, samples = value.batch_axes(), list(zip(value.samples, wanted.samples, strict=True))
    is_for_one = given.builder.has_one_image and wanted.is_settled and len(axes) == 1
    shapes = [_whole(*each, keeps_zeros) for each in (samples[:1] if is_for_one else samples)]
    if is_for_one:
        shapes = _for_any_number(value, shapes[0], axes[0])
    if len({len(shape) for shape in shapes}) > 1:
        raise ValueError("the shape's length depends on the number of images")
    return reshaped(given, value, [size_of(each, given.builder.counts) for each in zip(*shapes, strict=True)])


def _whole(sample: torch.Tensor, wanted: torch.Tensor, keeps_zeros: bool) -> list[int]:
    """Return a wanted shape with what stands for a size, 0 and -1, filled in."""
    target = wanted.reshape(-1).tolist()
    if len(target) > 16 or any(not -1 <= size < 1 << 40 for size in target) or target.count(-1) > 1:
        raise ValueError(f"{target[:16]} is no shape")
    shape = list(sample.shape)
    found = [
        shape[axis] if size == 0 and not keeps_zeros and axis < len(shape) else size for axis, size in enumerate(target)
    ]
    if -1 in found:
        others = math.prod(size for size in found if size != -1)
        if not others or sample.numel() % others:
            raise ValueError(f"{list(shape)} has no shape {target}")
        found[found.index(-1)] = sample.numel() // others
    if math.prod(found) != sample.numel():
        raise ValueError(f"{list(shape)} has no shape {target}")
    return found


def _for_any_number(value: Value, shape: list[int], axis: int) -> list[list[int]]:
    """Return the shapes for each number of images, of one that was written for one: the axis that holds the images is
    the first behind as many numbers as lie before them."""
    before = math.prod(value.shape[:axis])
    found = next((at for at in range(len(shape)) if math.prod(shape[:at]) == before), None)
    if found is None:
        raise ValueError("the images' axis is lost in a new shape")
    growth = [sample.shape[axis] // value.shape[axis] for sample in value.samples]
    return [[size * times if at == found else size for at, size in enumerate(shape)] for times in growth]


def reshaped(given: Given, value: Value, sizes: Sequence[Number]) -> Value:
    """Return a value in another shape; flattening, and what is one number open, are written as such."""
    same = value.sizes(given.builder.counts)
    sizes = list(sizes)
    if sizes == same:
        return value
    growing = [axis for axis, size in enumerate(sizes) if isinstance(size, Size)]
    if len(sizes) == 2 and growing == [0] and sizes[0] == same[0] and value.rank > 2:
        found: Value = given.call(torch.flatten, value, 1)
        return found
    if len(growing) == 1 and all(sizes):
        sizes[growing[0]] = -1
    found = given.call(torch.reshape, value, sizes)
    return found


@operator("Flatten")
def flatten(given: Given) -> Value:
    """Two axes: those before one, and those from it on."""
    value, written = given[0], given.whole("axis", 1)
    axis = given.axis(written, behind=1) if written >= 0 else given.axis(written)
    if axis == 1 and value.rank > 1:
        found: Value = given.call(torch.flatten, value, 1)
        return found
    shapes = [[math.prod(sample.shape[:axis]), math.prod(sample.shape[axis:])] for sample in value.samples]
    return reshaped(given, value, [size_of(each, given.builder.counts) for each in zip(*shapes, strict=True)])


@operator("Transpose")
def transpose(given: Given) -> Value:
    """The axes in another order."""
    value = given[0]
    order = given.attribute("perm", list(range(value.rank))[::-1])
    if sorted(order) != list(range(value.rank)):
        raise ValueError(f"{order[:16]} is no order of {value.rank} axes")
    return permuted(given, value, order)


def permuted(given: Given, value: Value, order: Sequence[int]) -> Value:
    """Return a value with its axes in another order; two orders that undo each other leave no trace."""
    order = list(order)
    if order == sorted(order):
        return value
    node = value.node
    if node is not None and node.target is torch.permute:
        source, first = node.args[0], list(node.args[1])  # type: ignore[arg-type]
        both = [first[axis] for axis in order]
        back = [first.index(axis) for axis in range(len(first))]
        samples = tuple(sample.permute(back) for sample in value.samples)
        return permuted(given, Value(samples, source), both)  # type: ignore[arg-type]
    found: Value = given.call(torch.permute, value, order)
    return found


@operator("Squeeze")
def squeeze(given: Given) -> Value:
    """Without axes of length one."""
    value, axes = given[0], given.whole_numbers("axes", 1)
    if axes is None:
        wide = value.samples[-1].shape
        axes = [axis for axis, size in enumerate(wide) if size == 1]
    gone = {given.axis(axis) for axis in axes}
    sizes = value.sizes(given.builder.counts)
    if any(sizes[axis] != 1 for axis in gone):
        raise ValueError(f"{list(value.shape)} has other axes than of length one at {sorted(gone)}")
    return reshaped(given, value, [size for axis, size in enumerate(sizes) if axis not in gone])


@operator("Unsqueeze")
def unsqueeze(given: Given) -> Value:
    """With axes of length one more."""
    value, axes = given[0], given.whole_numbers("axes", 1) or []
    places = {given.axis(axis, behind=len(axes)) for axis in axes}
    if len(places) != len(axes) or value.rank + len(places) > 16:
        raise ValueError(f"its axes {axes[:16]} are none")
    rest = iter(value.sizes(given.builder.counts))
    return reshaped(given, value, [1 if axis in places else next(rest) for axis in range(value.rank + len(axes))])


@operator("Expand")
def expand(given: Given) -> Value:
    """The same numbers again along axes of length one."""
    value, wanted = given[0], given.numbers("", 1) or []
    own = value.sizes(given.builder.counts)
    length = max(len(own), len(wanted))
    own, wanted = ([*[1] * (length - len(sizes)), *sizes] for sizes in (own, wanted))
    return expanded(given, value, [there if size == 1 else size for there, size in zip(own, wanted, strict=True)])


def expanded(given: Given, value: Value, sizes: Sequence[Number]) -> Value:
    """Return a value as large as said."""
    if len(sizes) > 16:
        raise ValueError("it has more axes than any tensor")
    if list(sizes) == value.sizes(given.builder.counts):
        return value
    found: Value = given.call(torch.Tensor.expand, value, list(sizes))
    return found


@operator("Tile")
def tile(given: Given) -> Value:
    """The same numbers again and again along each axis."""
    times = given.numbers("", 1) or []
    if len(times) != given[0].rank:
        raise ValueError("it must say for each axis how often")
    if all(each == 1 for each in times):
        return given[0]
    found: Value = given.call(torch.tile, given[0], times)
    return found


@operator("DepthToSpace")
def depth_to_space(given: Given) -> Value:
    """Channels laid out in blocks of places."""
    value, block, mode = given[0], given.whole("blocksize", 1), given.attribute("mode", "DCR")
    channels, height, width = _maps(value)
    if block < 1 or channels % (block * block):
        raise ValueError(f"{channels} channels do not make blocks of {block}")
    if mode == "CRD":
        found: Value = given.call(torch.pixel_shuffle, value, block)
        return found
    sizes, deep = value.sizes(given.builder.counts), channels // block**2
    found = reshaped(given, value, [sizes[0], block, block, deep, height, width])
    found = permuted(given, found, [0, 3, 4, 1, 5, 2])
    return reshaped(given, found, [sizes[0], deep, height * block, width * block])


@operator("SpaceToDepth")
def space_to_depth(given: Given) -> Value:
    """Blocks of places laid out in channels."""
    value, block = given[0], given.whole("blocksize", 1)
    channels, height, width = _maps(value)
    if block < 1 or height % block or width % block:
        raise ValueError(f"{height}×{width} does not make blocks of {block}")
    if given.attribute("mode", "DCR") == "CRD":
        crd: Value = given.call(torch.pixel_unshuffle, value, block)
        return crd
    batch = value.sizes(given.builder.counts)[0]
    found = reshaped(given, value, [batch, channels, height // block, block, width // block, block])
    found = permuted(given, found, [0, 3, 5, 1, 2, 4])
    return reshaped(given, found, [batch, channels * block**2, height // block, width // block])


def _maps(value: Value) -> tuple[int, int, int]:
    if value.rank != 4:
        raise ValueError(f"it reads maps, and not {value.rank} axes")
    return value.shape[1], value.shape[2], value.shape[3]
