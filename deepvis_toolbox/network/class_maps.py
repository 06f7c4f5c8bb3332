"""Which outputs of a network are classes at every place: those of segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import fx

from deepvis_toolbox.network.layer_nodes import operation
from deepvis_toolbox.network.operation_names import SOFTMAXES
from deepvis_toolbox.words.layer import Layer, Layers


def found_class_map(graph_module: fx.GraphModule, layers: Layers, labels: int) -> list[Layer]:
    """Return the first output (C, H, W) whose units are classes for sure: of a softmax, that whose largest is given, or
    as many as there are labels. Others may be a flow, a depth or a picture, and have to be named."""
    (end,) = [node for node in graph_module.graph.nodes if node.op == "output"]
    for node in end.all_input_nodes:
        is_largest = operation(node).kind == "argmax" and bool(node.all_input_nodes)
        name = (node.all_input_nodes[0] if is_largest else node).meta.get("layer")
        if name not in list(layers):
            continue
        layer = layers[name]
        are_classes = is_largest or layer.kind in SOFTMAXES or layer.channels == labels
        if are_classes and layer.is_spatial and layer.has_places and layer.channels > 1:
            return [layer]
    return []


def with_class_maps(layers: Layers, maps: Sequence[Layer], labels: tuple[str, ...]) -> Layers:
    """Return the layers, these marked as class maps, with the labels as their units' names where they are as many."""
    marked = {
        layer.name: replace(layer, has_class_map=True, unit_names=labels if len(labels) == layer.channels else ())
        for layer in maps
    }
    return Layers(marked.get(layer.name, layer) for layer in layers.values()) if marked else layers
