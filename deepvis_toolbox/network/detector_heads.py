"""What the maps of a detector's heads are: one for each anchor, and each value of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from torch import fx

from deepvis_toolbox.network.layer_nodes import LayerNodes, depending_on, operation
from deepvis_toolbox.words.layer import Layer, Layers

_WEIGHING = ("conv", "linear", "matmul")
_MOST_STEPS = 8
"""Between a head and where it is divided by anchors: a permutation, a copy, a reshape, and turns to and fro."""
_BOX = ("x", "y", "width", "height", "object")


def with_anchors(layers: Layers, nodes: Mapping[str, LayerNodes], labels: tuple[str, ...]) -> Layers:
    """Return the layers, units of a detector's heads named by their anchor and value, where the graph tells them: maps
    (C, H, W) that nothing with weights reads, divided into (anchors, values, H, W), or (places · anchors, values)."""
    named = {}
    for layer in layers.values():
        if not layer.is_spatial or not layer.has_places or layer.unit_names or layer.added_to:
            continue
        values = _values_an_anchor(nodes[layer.name].value, layer)
        if values:
            names = _value_names(values, labels)
            anchors = range(layer.channels // values)
            named[layer.name] = tuple(f"anchor {anchor} {name}" for anchor in anchors for name in names)
    return Layers(
        replace(layer, unit_names=named[layer.name]) if layer.name in named else layer for layer in layers.values()
    )


def _values_an_anchor(node: fx.Node, layer: Layer) -> int:
    """Return how many values each anchor has; 0 where the layer is not divided by anchors."""
    count, rows, columns = layer.shape
    for shape in _shapes_behind(node):
        anchors, last = (shape[1], shape[2]) if len(shape) == 5 else (0, 0)
        is_view = len(shape) == 5 and shape[3:] == (rows, columns) and anchors * last == count
        if not is_view and len(shape) == 3 and 1 < shape[2] < count and count % shape[2] == 0:
            last, is_view = shape[2], shape[1] == rows * columns * count // shape[2]
        if is_view and last > 1:
            return 0 if any(operation(each).kind in _WEIGHING for each in depending_on([node])) else last
    return 0


def _shapes_behind(node: fx.Node) -> Iterator[tuple[int, ...]]:
    """Yield the shapes (1, …) of what is made of a value alone, one step after the other."""
    reached = [node]
    for _ in range(_MOST_STEPS):
        reached = [each for last in reached for each in last.users if _tensors_in(each) == [last]]
        yield from (each.meta["value_shape"] for each in reached if "value_shape" in each.meta)


def _tensors_in(node: fx.Node) -> list[fx.Node]:
    return [each for each in node.all_input_nodes if "value_shape" in each.meta]


def _value_names(values: int, labels: tuple[str, ...]) -> tuple[str, ...]:
    if values == len(labels):
        return labels
    if values == len(_BOX) + len(labels) and labels:
        return (*_BOX, *labels)
    return tuple(f"value {number}" for number in range(values))
