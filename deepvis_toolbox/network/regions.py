"""Receptive fields: what part of the input can influence a place of a layer, found by walking the graph downwards."""

from __future__ import annotations

from typing import NamedTuple

from torch import fx

from deepvis_toolbox.network.layer_nodes import operation
from deepvis_toolbox.network.operations import Window
from deepvis_toolbox.words.layer import Rect


class Span(NamedTuple):
    """Rows (or columns) first..end-1 of a node's value; they may leave it, where a window hangs over the border."""

    first: int
    end: int

    def hull(self, other: Span) -> Span:
        """Return the smallest span that holds both."""
        return Span(min(self.first, other.first), max(self.end, other.end))


Region = tuple[Span, Span]
"""Rows and columns."""


def receptive_field(node: fx.Node, place: tuple[int, int] | None, input_shape: tuple[int, int, int]) -> Rect:
    """Return the input rectangle that can influence `node`'s value at a place; the whole image where it has no places.

    It leaves the image where a window hangs over the border, as far as the window does.
    """
    height, width = input_shape[1:]
    whole = Rect(0, 0, height, width)
    if place is None:
        return whole
    region = (Span(place[0], place[0] + 1), Span(place[1], place[1] + 1))
    seen = regions_below(node, region)
    found = next((seen[below] for below in seen if below.op == "placeholder"), None)
    if found is None:
        return Rect(0, 0, 0, 0)
    rows, columns = found
    return Rect(rows.first, columns.first, rows.end, columns.end)


def regions_below(node: fx.Node, region: Region) -> dict[fx.Node, Region]:
    """Return, for every node below, the part of its value that can influence `region` of `node`'s value."""
    needed: dict[fx.Node, Region] = {node: region}
    for current in reversed(list(node.graph.nodes)):
        if current not in needed:
            continue
        for parent in current.all_input_nodes:
            if parent.op == "get_attr" or not (size_of(parent) or parent.meta.get("holds_tensors")):
                continue
            wanted = _region_of_input(current, parent, needed[current])
            known = needed.get(parent)
            needed[parent] = wanted if known is None else (known[0].hull(wanted[0]), known[1].hull(wanted[1]))
    return needed


def size_of(node: fx.Node) -> tuple[int, int] | None:
    """Return (rows, columns) of a node's value; (1, 1) where it has no places, None where it is no batch of images."""
    shape = node.meta.get("value_shape")
    if shape is None:  # a list of parts (chunk) has the places of what it was cut from
        parents = [parent for parent in node.all_input_nodes if parent.meta.get("value_shape") is not None]
        shape = parents[0].meta["value_shape"] if operation(node).elementwise and parents else None
    if shape is None:
        return None
    if len(shape) != 4:
        return 1, 1
    return (shape[1], shape[2]) if node.meta.get("channels_last") else (shape[2], shape[3])


def _region_of_input(node: fx.Node, parent: fx.Node, region: Region) -> Region:
    input_size, output_size = size_of(parent), size_of(node)
    if input_size is None:  # a list of tensors, which for its part sees all of what it reads
        return region
    whole = (Span(0, input_size[0]), Span(0, input_size[1]))
    described = operation(node)
    local = described.elementwise or described.window or described.adaptive
    if output_size is None or not local or len(parent.meta.get("value_shape", "1234")) != 4:
        return whole
    if described.adaptive:
        shares = [_share(region[axis], input_size[axis], output_size[axis]) for axis in (0, 1)]
        return shares[0], shares[1]
    if described.window is None:
        return _stretched(region, input_size, output_size)
    rows, columns = (_behind_window(region[axis], described.window, axis) for axis in (0, 1))
    if described.window.repeats_border:
        return _inside(rows, input_size[0]), _inside(columns, input_size[1])
    return rows, columns


def _stretched(region: Region, input_size: tuple[int, int], output_size: tuple[int, int]) -> Region:
    """Return the same places; all of an axis along which the input is one value that is used everywhere (or
    disagrees)."""
    spans = [region[axis] if input_size[axis] == output_size[axis] else Span(0, input_size[axis]) for axis in (0, 1)]
    return spans[0], spans[1]


def _share(span: Span, input_size: int, output_size: int) -> Span:
    """Output i of an adaptive pooling sees the i-th of as many parts of the input, rounded outwards."""
    return Span(span.first * input_size // output_size, -(-span.end * input_size // output_size))


def _inside(span: Span, size: int) -> Span:
    """Return the span with whatever leaves the value moved to its border."""
    return Span(min(max(span.first, 0), size - 1), min(max(span.end, 1), size))


def _behind_window(span: Span, window: Window, axis: int) -> Span:
    kernel, stride, padding, dilation = (part[axis] for part in window[:4])
    reach = (kernel - 1) * dilation
    if window.transposed:  # input i adds to outputs i * stride - padding + (0 … reach)
        return Span(-((reach - span.first - padding) // stride), (span.end - 1 + padding) // stride + 1)
    return Span(span.first * stride - padding, (span.end - 1) * stride - padding + reach + 1)
