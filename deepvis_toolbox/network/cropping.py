"""The smallest aligned crop of the input on which a unit at a place has the same value and gradient as on all of it.

A window that hangs over the border of the crop is padded there, as at the border of the image. Where the crop ends
inside the image that gives wrong values; but only at places which the unit cannot see, since the crop holds its
receptive field. So the network runs on the crop as it is, once the crop starts on the grid of every layer on the way.
There is none where a layer on the way leaves out places at the border.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import fx

from deepvis_toolbox.network.layer_nodes import operation
from deepvis_toolbox.network.regions import Span, regions_below, size_of
from deepvis_toolbox.words.layer import Rect

_WORTHWHILE = 0.9
"""A crop is used where it is at most this share of the image."""


class Crop(NamedTuple):
    """Where to cut the input, and where the unit's place lies in what the layer computes from that."""

    region: Rect
    place: tuple[int, int]


def unit_crop(node: fx.Node, place: tuple[int, int], input_shape: tuple[int, int, int]) -> Crop | None:
    """Return the crop for the units of `node`'s value at a place; None where they see the whole image, or nearly."""
    seen = regions_below(node, (Span(place[0], place[0] + 1), Span(place[1], place[1] + 1)))
    strides = _strides(node, set(seen))
    if strides is None:
        return None
    placeholder = next(node for node in seen if node.op == "placeholder")
    spans = []
    for axis in (0, 1):
        grid = math.lcm(*(stride[axis] for stride in strides.values()))
        size = input_shape[1 + axis]
        first = max(seen[placeholder][axis].first, 0) // grid * grid
        end = min(-(-seen[placeholder][axis].end // grid) * grid, size)
        spans.append((first, end))
    (top, bottom), (left, right) = spans
    if (bottom - top) * (right - left) > _WORTHWHILE * input_shape[1] * input_shape[2]:
        return None
    down, across = strides[node]
    return Crop(Rect(top, left, bottom, right), (place[0] - top // down, place[1] - left // across))


def _strides(top: fx.Node, seen: set[fx.Node]) -> dict[fx.Node, tuple[int, int]] | None:
    """Return how many input pixels lie between neighbours of each node's value; None where an operation is not
    local."""
    strides: dict[fx.Node, tuple[int, int]] = {}
    for node in top.graph.nodes:
        if node not in seen:
            continue
        if node.op == "placeholder":
            strides[node] = (1, 1)
            continue
        described = operation(node)
        parents = [parent for parent in node.all_input_nodes if parent in seen]
        below = {strides[parent] for parent in parents}
        if len(below) != 1 or not (described.elementwise or described.window):
            return None
        if described.window is None and any(size_of(parent) != size_of(node) for parent in parents):
            return None
        if described.window is not None and (described.window.transposed or described.window.cuts_border):
            return None
        step = described.window.stride if described.window else (1, 1)
        (stride,) = below
        strides[node] = (stride[0] * step[0], stride[1] * step[1])
    return strides
