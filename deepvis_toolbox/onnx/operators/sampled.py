"""Values fetched from places that other values name."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from deepvis_toolbox.onnx.operator_table import Given, operator
from deepvis_toolbox.onnx.values import Value

_MODES = {"linear": "bilinear", "bilinear": "bilinear", "nearest": "nearest", "cubic": "bicubic", "bicubic": "bicubic"}
_BORDERS = {"zeros": "zeros", "border": "border", "reflection": "reflection"}


@operator("GridSample")
def grid_sample(given: Given) -> Value:
    """Maps read at the places of a grid."""
    mode, border = given.attribute("mode", "linear"), given.attribute("padding_mode", "zeros")
    if mode not in _MODES or border not in _BORDERS:
        raise ValueError("its mode is not known")
    corners = bool(given.whole("align_corners", 0))
    found: Value = given.call(F.grid_sample, given[0], given[1], _MODES[mode], _BORDERS[border], corners)
    return found


@operator("GatherND")
def gather_at_places(given: Given) -> Value:
    """The entries at places of several axes."""
    places = given[1].settled("indices")
    if given.whole("batch_dims", 0) or places.ndim == 0 or not 0 < places.shape[-1] <= given[0].rank:
        raise ValueError("its batch_dims, or its indices, are not supported")
    found: Value = given.call(_at_places, given[0], given[1])
    return found


def _at_places(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    return x[tuple(places.unbind(-1))]


@operator("ScatterND")
def written_at_places(given: Given) -> Value:
    """A tensor with other entries at places of several axes."""
    value, places, entries = given[0], given[1], given[2]
    if given.attribute("reduction", "none") != "none" or places.rank == 0 or not 0 < places.shape[-1] <= value.rank:
        raise ValueError("its reduction, or its indices, are not supported")
    if not places.is_known:
        raise ValueError("its indices are computed from the image, and must be a constant")
    found: Value = given.call(_written, value, places, entries)
    return found


def _written(x: torch.Tensor, places: torch.Tensor, entries: torch.Tensor) -> torch.Tensor:
    return x if x.is_meta else torch.index_put(x, tuple(places.unbind(-1)), entries)


@operator("Hardmax")
def hard_maximum(given: Given) -> Value:
    """1 at the first of the largest along an axis, 0 elsewhere."""
    if given.opset < 13 and given[0].rank != 2:
        raise ValueError("of older opsets, it is supported for rows alone")
    axis = given.axis(given.whole("axis", 1 if given.opset < 13 else -1))
    places = given.call(torch.argmax, given[0], axis)
    found: Value = given.call(_ones_at, places, given[0].shape[axis], axis)
    return found


def _ones_at(places: torch.Tensor, count: int, axis: int) -> torch.Tensor:
    return F.one_hot(places, count).movedim(-1, axis).float()
