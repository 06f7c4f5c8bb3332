"""Maps made larger or smaller, in the ways that exporters write."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from deepvis_toolbox.onnx.operator_table import Given, operator
from deepvis_toolbox.onnx.operators.sampling import Along, resampled
from deepvis_toolbox.onnx.values import Value

_LARGEST_SIDE = 1 << 16


@operator("Upsample")
def upsample(given: Given) -> Value:
    """Maps made larger."""
    scales = given.attribute("scales") if given.has("scales") else given[1].settled("scales").reshape(-1).tolist()
    value = given[0]
    sizes = [int(size * scale) for size, scale in zip(value.shape, scales, strict=True)]
    along = Along(given.attribute("mode", "nearest"), "asymmetric", "floor", -0.75)
    return _resized(given, list(range(value.rank)), sizes, list(scales), along)


@operator("Resize")
def resize(given: Given) -> Value:
    """Maps made larger or smaller."""
    value = given[0]
    if given.opset < 11:
        scales: Any = given[1].settled("scales").reshape(-1).tolist()
        sizes = [int(size * scale) for size, scale in zip(value.shape, scales, strict=True)]
        along = Along(given.attribute("mode", "nearest"), "asymmetric", "floor", -0.75)
        return _resized(given, list(range(value.rank)), sizes, scales, along)
    axes = [given.axis(axis) for axis in given.attribute("axes", list(range(value.rank)))]
    if given.whole("antialias", 0) or given.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise ValueError("antialiasing, and sizes that keep the proportions, are not supported")
    if given.whole("exclude_outside", 0):
        raise ValueError("exclude_outside is not supported")
    along = Along(
        given.attribute("mode", "nearest"),
        given.attribute("coordinate_transformation_mode", "half_pixel"),
        given.attribute("nearest_mode", "round_prefer_floor"),
        given.number("cubic_coeff_a", -0.75),
    )
    sizes_value = given.get(3)
    if sizes_value is not None and sizes_value.shape != (0,):
        written = given.numbers("", 3) or []
        own = value.sizes(given.builder.counts)
        wanted = [value.shape[axis] if own[axis] == size else size for axis, size in zip(axes, written, strict=True)]
        if not all(isinstance(size, int) for size in wanted):
            raise ValueError("its sizes depend on the number of images")
        scales = [size / value.shape[axis] for axis, size in zip(axes, wanted, strict=True)]  # type: ignore[operator]
        return _resized(given, axes, wanted, scales, along)  # type: ignore[arg-type]
    scales = given[2].settled("scales").reshape(-1).tolist()
    wanted = [int(value.shape[axis] * scale) for axis, scale in zip(axes, scales, strict=True)]
    return _resized(given, axes, wanted, scales, along)  # type: ignore[arg-type]


def _resized(given: Given, axes: list[int], sizes: list[int], scales: list[float], along: Along) -> Value:
    value = given[0]
    if any(not 1 <= size <= _LARGEST_SIDE for size in sizes):
        raise ValueError(f"it makes maps of the absurd size {sizes[:8]}")
    changed = {
        axis: (size, scale)
        for axis, size, scale in zip(axes, sizes, scales, strict=True)
        if size != value.shape[axis] or scale != 1
    }
    if set(changed) & set(value.batch_axes()):
        raise ValueError("it makes more images of a batch")
    if not changed:
        return value
    way = _torchs_way(value, changed, along)
    if way is not None:
        sides = [changed.get(axis, (value.shape[axis], 1.0))[0] for axis in (2, 3)]
        found: Value = given.call(F.interpolate, value, sides, None, *way)
        return found
    found = value
    for axis, (size, scale) in changed.items():
        matrix = resampled(value.shape[axis], size, scale, along)
        moved = given.call(torch.movedim, found, axis, -1)
        found = given.call(torch.movedim, given.call(torch.matmul, moved, given.builder.known(matrix)), -1, axis)
    return found


def _torchs_way(value: Value, changed: dict[int, tuple[int, float]], along: Along) -> tuple[str, bool | None] | None:
    """Return the mode and `align_corners` of `F.interpolate` where it does the same."""
    whole = all(size == value.shape[axis] * scale for axis, (size, scale) in changed.items())
    if value.rank != 4 or not set(changed) <= {2, 3} or not whole:
        return None
    integer = all(scale == int(scale) for _, scale in changed.values())
    if along.mode == "nearest" and integer:
        floor = along.coordinates == "asymmetric" and along.rounding == "floor"
        half = along.coordinates in ("half_pixel", "pytorch_half_pixel") and along.rounding.startswith("round")
        return ("nearest", None) if floor or half else None
    smooth = {"linear": "bilinear", "cubic": "bicubic"}.get(along.mode)
    if smooth is None or (smooth == "bicubic" and along.cubic != -0.75):
        return None
    if along.coordinates == "align_corners":
        return smooth, True
    longer = all(size > 1 for size, _ in changed.values())
    if along.coordinates == "half_pixel" or (along.coordinates == "pytorch_half_pixel" and longer):
        return smooth, False
    return None
