"""What the layers of a graph are: names, kinds, shapes, receptive fields, label layers. No weights are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import fx

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.class_maps import found_class_map, with_class_maps
from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.detector_heads import with_anchors
from deepvis_toolbox.network.feeding import layers_feeding
from deepvis_toolbox.network.layer_nodes import LayerNodes, layer_table, needed_for, note_values, reachable
from deepvis_toolbox.network.linear_weights import depthwise_source
from deepvis_toolbox.network.operation_names import SOFTMAXES
from deepvis_toolbox.network.own_places import OwnPlaces, own_places
from deepvis_toolbox.network.regions import receptive_field
from deepvis_toolbox.words.layer import Layer, Layers, Rect


class GraphLayers:
    """The layers of a graph whose nodes are classified, and the nodes that make them.

    `values`: what each node gives for one image (1, …); only the shapes count, so that tensors of the device meta will
    do. They are noted on the nodes, where receptive fields need them.
    """

    def __init__(
        self, graph_module: fx.GraphModule, values: Mapping[fx.Node, Any], description: ModelDescription
    ) -> None:
        note_values(values)
        self._like = {
            node: torch.empty_like(value, device="meta")
            for node, value in values.items()
            if "layer" in node.meta and isinstance(value, torch.Tensor)
        }
        self.graph_module = graph_module
        listed, self.nodes = layer_table(graph_module, values)
        self.layers = Layers(listed)
        self._input_shape = description.preprocessing.input_shape
        self._own_places: dict[str, OwnPlaces | None] = {}
        named = [self.layers[self.layers.canonical(name)] for name in description.label_layers]
        flat = tuple(layer.name for layer in named if not layer.has_places)
        self.label_layers = flat if named else self._found_label_layers(len(description.labels))
        maps = [layer for layer in named if layer.has_places]
        if not maps and not self.label_layers:
            maps = found_class_map(graph_module, self.layers, len(description.labels))
        self.layers = with_class_maps(self.layers, maps, description.labels)
        self.layers = with_anchors(self.layers, self.nodes, description.labels)
        pictures = replace(description.unit_images, views=self._views())
        self.description = replace(description, unit_images=pictures)
        """With what the graph tells beside it: which layer's pictures stand for those of the probabilities."""

    def extended(self, values: Mapping[fx.Node, torch.Tensor]) -> GraphLayers:
        """Return the layers of the same graph with more nodes, which are classified and give tensors like these,
        float32 (1, …)."""
        return GraphLayers(self.graph_module, {**self._like, **values}, self.description)

    def nodes_of(self, layer: str) -> LayerNodes:
        """Return the nodes that make a layer; `ToolboxError` where there is no such layer."""
        return self.nodes[self.layers.canonical(layer)]

    def receptive_field(self, layer: str, place: tuple[int, int] | None = None) -> Rect:
        """Do as `Network.receptive_field`."""
        described = self.layers[self.layers.canonical(layer)]
        if place is not None and (described.is_spatial or described.token_grid):
            height, width = described.map_shape
            if not (0 <= place[0] < height and 0 <= place[1] < width):
                range_of_places = f"0,0 to {height - 1},{width - 1}"
                raise ToolboxError(f'layer "{layer}" has places {range_of_places}, not {place[0]},{place[1]}')
        node = self.nodes[described.name].value
        where = place or described.centre if described.is_spatial or described.token_grid else None
        if where is not None and (described.is_tokens or node.meta.get("is_windows")):
            node, where = self._place_of_map(described, where)
        return receptive_field(node, where, self._input_shape)

    def _place_of_map(self, layer: Layer, place: tuple[int, int]) -> tuple[fx.Node, tuple[int, int] | None]:
        """Return the map that a token, or a place in a window, is computed from, and from which of its places alone;
        None where from several."""
        node = self.nodes[layer.name].value
        if layer.name not in self._own_places:
            self._own_places[layer.name] = own_places(self.graph_module, node)
        found = self._own_places[layer.name]
        if found is None:
            return node, None
        own = found.numbers[0, layer.flat_place(*place)] if layer.is_tokens else found.numbers[0, :, place[0], place[1]]
        number = int(own[0]) - 1
        is_one = number >= 0 and bool((own == own[0]).all())
        return (found.source, divmod(number, found.source.meta["value_shape"][3])) if is_one else (node, None)

    def feeding(self, layer: str) -> tuple[str, ...]:
        """Do as `Network.layers_feeding`."""
        return layers_feeding(self.layers.canonical(layer), self.nodes)

    def weighted(self, layer: str) -> str:
        """Return the layer whose units a layer weighs, or where that weighs each of its channels by itself, the one
        below. `ToolboxError` where there are several, or none."""
        feeding = self.feeding(layer)
        if len(feeding) != 1:
            what = f"it joins {' and '.join(feeding)}" if feeding else "it is the input"
            raise ToolboxError(f"{layer} has no weights of its own: {what}")
        of_node = {own.value: name for name, own in self.nodes.items()}
        return depthwise_source(self.nodes[feeding[0]], of_node) or feeding[0]

    def below(self, layer: str) -> tuple[str, ...]:
        """Do as `Network.layers_below`."""
        own = self.nodes_of(layer)
        computed = needed_for(own.value.all_input_nodes)
        return tuple(name for name, nodes in self.nodes.items() if nodes.value in computed)

    def reachable(self, origin: str, layers: Sequence[str]) -> set[str]:
        """Return those of the layers that a signal from the origin may reach."""
        return reachable(self.nodes_of(origin), {name: self.nodes_of(name) for name in layers})

    def _views(self) -> dict[str, str]:
        """Return {label layer that is the softmax of a layer of as many units: that layer}."""
        sources = {name: self._source(name) for name in self.label_layers if self.layers[name].kind in SOFTMAXES}
        return {name: source for name, source in sources.items() if source is not None}

    def _source(self, name: str) -> str | None:
        """Return the layer that this one is made from; None where that is no listed layer of as many units."""
        of_node = {nodes.value: each for each, nodes in self.nodes.items()}
        source = of_node.get(self.nodes[name].value.all_input_nodes[0])
        same_size = source is not None and self.layers[source].channels == self.layers[name].channels
        return source if same_size else None

    def _found_label_layers(self, labels: int) -> tuple[str, ...]:
        """Return the last softmax over classes and what it is the softmax of; without one, a last flat layer of as many
        units as there are labels, or a last linear one, or a sigmoid of each class by itself and what it is of. Where
        the last is none of these, the only one that the network gives beside it, but for a linear one, which may be
        anything."""
        own = [layer for layer in reversed(list(self.layers.values())) if not layer.added_to]
        for layer in own:
            if any(size != 1 for size in layer.shape[1:]):
                continue
            if layer.kind in SOFTMAXES:
                source = self._source(layer.name)
                return (layer.name,) if source is None else (source, layer.name)
        last = next(layer for layer in own if layer.kind != "argmax")
        is_flat = all(size == 1 for size in last.shape[1:])
        if is_flat and (last.kind in ("sigmoid", "linear") or last.channels == labels):
            return self._with_source(last)
        given = [layer for layer in self._given() if all(size == 1 for size in layer.shape[1:])]
        fitting = [layer for layer in given if layer.kind == "sigmoid" or layer.channels == labels]
        return self._with_source(fitting[0]) if len(fitting) == 1 else ()

    def _with_source(self, layer: Layer) -> tuple[str, ...]:
        source = self._source(layer.name) if layer.kind == "sigmoid" else None
        return (layer.name,) if source is None else (source, layer.name)

    def _given(self) -> list[Layer]:
        """Return the layers that the network gives."""
        of_node = {nodes.value: name for name, nodes in self.nodes.items()}
        returned = next(node for node in self.graph_module.graph.nodes if node.op == "output")
        fronts = [node.meta.get("moved_back", node) for node in returned.all_input_nodes]
        return [self.layers[of_node[front]] for front in fronts if front in of_node]
