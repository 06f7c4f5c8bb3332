"""Which outputs of a network are classes at every place: those of segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import fx

from deepvis_toolbox.network.layer_nodes import operation
from deepvis_toolbox.network.operation_names import SOFTMAXES
from deepvis_toolbox.words.layer import Layer, Layers

_NO_SCORES = ("sigmoid", "tanh", "relu")
"""What pictures, flows and depths end in, and scores of classes do not."""


def outputs_of(graph_module: fx.GraphModule) -> list[str]:
    """Return the names of the layers that the network gives, in their order; of the index of the largest, the layer
    that it is of."""
    (end,) = [node for node in graph_module.graph.nodes if node.op == "output"]
    given = [
        node.all_input_nodes[0] if operation(node).kind == "argmax" and node.all_input_nodes else node
        for node in end.all_input_nodes
    ]
    return [node.meta["layer"] for node in given if "layer" in node.meta]


def is_class_map(layer: Layer, labels: int, input_shape: tuple[int, int, int]) -> bool:
    """Return whether maps (C, H, W) that a network gives are taken for classes: of a softmax, as many as there are
    labels, or at every pixel and of another number than the input's channels, unless something shapes them to a
    picture."""
    if layer.kind in SOFTMAXES or layer.channels == labels:
        return True
    is_whole = layer.shape[1:] == input_shape[1:]
    return is_whole and layer.channels != input_shape[0] and not (layer.rectifier or layer.kind in _NO_SCORES)


def with_class_maps(layers: Layers, maps: Sequence[Layer], labels: tuple[str, ...]) -> Layers:
    """Return the layers, these marked as class maps, with the labels as their units' names where they are as many."""
    marked = {
        layer.name: replace(layer, has_class_map=True, unit_names=labels if len(labels) == layer.channels else ())
        for layer in maps
    }
    return Layers(marked.get(layer.name, layer) for layer in layers.values()) if marked else layers
