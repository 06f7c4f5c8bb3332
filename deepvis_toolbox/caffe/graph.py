"""From a prototxt and its weights to one torch.fx graph whose nodes carry the blobs' names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import fx

from deepvis_toolbox.caffe.budget import check_budget
from deepvis_toolbox.caffe.graph_writer import GraphWriter
from deepvis_toolbox.caffe.layer_types import IN_PLACE_ACTIVATIONS, LAYER_TYPES, LayerType, Shape
from deepvis_toolbox.caffe.network_ends import Interior, interior
from deepvis_toolbox.caffe.prototxt import Prototxt, read_prototxt
from deepvis_toolbox.caffe.spelling import other_spelling
from deepvis_toolbox.caffe.stored_weights import StoredArray, StoredWeights, without_leading_ones
from deepvis_toolbox.caffe.weights import open_weights
from deepvis_toolbox.errors import ToolboxError, nearest_name

MAX_VALUES = 1 << 30
"""The most values that one image's blobs, or all parameters, may have: 4 GiB. VGG-16 has a tenth of it."""


@dataclass
class _Plan:
    """The layers with every shape worked out, before any memory is taken."""

    input_name: str
    input_shape: Shape
    layers: list[LayerType] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)


def graph_of(
    definition: Prototxt,
    weights: Path | None = None,
    input_shape: tuple[int, int, int] | None = None,
    hollow: bool = False,
) -> fx.GraphModule:
    """Return a definition with its trained weights as a graph, in evaluation mode, float32 on the CPU.

    Every node that computes a blob has `meta["layer"]`, the blob's name: all nodes of its in-place chain have it, and
    the last of them gives its value. `meta["layer_type"]` is Caffe's type. All nodes but the output have
    `meta["shape"]`, their value's for one image, without the batch. The graph has one placeholder and gives a tuple of
    the blobs that nothing reads. Its own `meta` has `input_shape` (C, H, W), `blob_shapes`, `prepares` (mean and scale
    of the data layer) and `notes`, one line for each thing left out or worth knowing. `input_shape` replaces what the
    prototxt says. `hollow`: the weights are checked, one layer at a time, and not kept; the parameters are on the
    device meta.

    Raises `ToolboxError` that names file, layer and field: a file that cannot be read, a layer type or option that is
    not supported, weights that are missing, of another shape, or not finite, sizes that are absurd.
    """
    inside = interior(definition)
    with open_weights(Path(weights)) if weights is not None else nullcontext() as stored:
        plan = _plan(definition, inside, _input_shape(definition, inside, stored, input_shape))
        check_budget(definition.path, plan.input_shape, plan.layers)
        notes = [*inside.notes]
        parameters = _Parameters(plan, stored, notes)
        graph_module = _write(plan, parameters, hollow)
    graph_module.meta["input_shape"] = plan.input_shape
    graph_module.meta["blob_shapes"] = plan.shapes
    graph_module.meta["notes"] = notes
    graph_module.meta["prepares"] = inside.prepares
    return graph_module


def _input_shape(
    definition: Prototxt, inside: Interior, stored: StoredWeights | None, wanted: tuple[int, int, int] | None
) -> Shape:
    """Return (C, H, W) of the input; channels that a data layer does not give are those of the first stored
    convolution."""
    declared = (1, *wanted) if wanted else inside.input_shape
    where = f'{definition.path}: input "{inside.input_name}"'
    if not declared:
        raise ToolboxError(f"{where}: its size is not given; add input_shape {{ dim: 1 dim: 3 dim: 227 dim: 227 }}")
    if len(declared) != 4:
        raise ToolboxError(f"{where}: has the shape {declared}; images (1, channels, height, width) are supported")
    channels, height, width = declared[1:]
    if channels == 0:
        channels = _channels_by_weights(inside, stored)
    if min(declared[0], channels, height, width) < 1 or channels * height * width > MAX_VALUES:
        raise ToolboxError(f"{where}: has the absurd shape {tuple(declared)}")
    return channels, height, width


def _channels_by_weights(inside: Interior, stored: StoredWeights | None) -> int:
    for layer in inside.layers:
        reads_input = layer.type in ("Convolution", "DepthwiseConvolution") and inside.input_name in layer.bottom
        arrays = stored.layers.get(layer.name) if stored and reads_input else None
        if arrays and len(arrays[0].shape) == 4:
            return arrays[0].shape[1] * max(layer.convolution_param.group, 1)
    return 3


def _plan(definition: Prototxt, inside: Interior, input_shape: Shape) -> _Plan:
    plan = _Plan(inside.input_name, input_shape)
    plan.shapes[inside.input_name] = input_shape
    values = math.prod(input_shape)
    for layer in inside.layers:
        known = _without_dropped_inputs(layer, plan, definition)
        if known is None:
            continue
        planned = _planned_layer(known, plan, definition)
        plan.layers.append(planned)
        values += sum(math.prod(shape) for shape in planned.tops)
        if values > MAX_VALUES or sum(math.prod(shape) for shape in planned.parameters) > MAX_VALUES:
            raise planned.error("", f"its shapes {planned.tops} need an absurd amount of memory")
    if not plan.layers:
        raise ToolboxError(f"{definition.path}: no layer is left to compute")
    return plan


def _without_dropped_inputs(layer: Any, plan: _Plan, definition: Prototxt) -> Any | None:
    """Return the layer, or None for a Silence of blobs that were left out (labels)."""
    if layer.type == "Silence" and any(bottom not in plan.shapes for bottom in layer.bottom):
        return None
    for bottom in layer.bottom:
        if bottom not in plan.shapes:
            raise ToolboxError(
                f'{definition.path}: layer "{layer.name}" ({layer.type}), field "bottom": no layer before it gives '
                f'"{bottom}"{nearest_name(bottom, plan.shapes)}'
            )
    return layer


def _planned_layer(layer: Any, plan: _Plan, definition: Prototxt) -> LayerType:
    where = f'{definition.path}: layer "{layer.name}"'
    if layer.type not in LAYER_TYPES:
        hint = other_spelling(layer.type, LAYER_TYPES)
        raise ToolboxError(f'{where}, field "type": the layer type "{layer.type}" is not supported{hint}')
    if layer.blobs:
        raise ToolboxError(f'{where}, field "blobs": parameters are read from the weights file, not from the prototxt')
    planned = LAYER_TYPES[layer.type](layer, [plan.shapes[bottom] for bottom in layer.bottom], definition.path)
    for top, shape in zip(layer.top, planned.tops, strict=True):
        in_place = top in layer.bottom
        if top in plan.shapes and not in_place:
            raise ToolboxError(f'{where}, field "top": the blob "{top}" is made by another layer already')
        if in_place and shape != plan.shapes[top]:
            raise ToolboxError(f'{where}, field "top": a {layer.type} layer cannot work in place on "{top}"')
        plan.shapes[top] = shape
    return planned


class _Parameters:
    """Fetches each layer's parameters from the weights file, checked against the shapes that the prototxt asks for."""

    def __init__(self, plan: _Plan, stored: StoredWeights | None, notes: list[str]) -> None:
        self.stored = stored
        self.notes = notes
        self.owners: dict[str, tuple[LayerType, int]] = {}
        """Who has a parameter with a name first: layers later on share it."""
        self.sharers: dict[str, list[tuple[LayerType, int]]] = {}
        """All who have it."""
        for layer in plan.layers:
            for index in range(len(layer.parameters)):
                shared = self._shared_name(layer, index)
                if shared:
                    self.owners.setdefault(shared, (layer, index))
                    self.sharers.setdefault(shared, []).append((layer, index))
        self._check_names(plan)

    def _check_names(self, plan: _Plan) -> None:
        """Refuse a second layer of the same name with parameters of its own: Caffe leaves them at random values."""
        named = set()
        for layer in plan.layers:
            places = [(layer, index) for index in range(len(layer.parameters))]
            if all(self.owners.get(self._shared_name(*place), place) != place for place in places):
                continue
            if layer.definition.name in named:
                raise layer.error(
                    "name",
                    "another layer has it too, and weights are stored by name; give it one of its own, or share the "
                    "parameters with param { name: … } in both",
                )
            named.add(layer.definition.name)

    def of(self, layer: LayerType) -> list[torch.Tensor]:
        """Return the layer's parameters as float32 tensors of the wanted shapes."""
        if not layer.parameters:
            return []
        arrays = [self._stored_array(layer, index) for index in range(len(layer.parameters))]
        return [self._tensor(layer, index, array) for index, array in enumerate(arrays)]

    def _stored_array(self, layer: LayerType, index: int) -> StoredArray:
        if self.stored is None:
            raise layer.error("", "it has trained parameters, but no weights file is given")
        shared = self._shared_name(layer, index)
        found = self._stored_of_sharers(self.stored, shared) if shared else None
        if found is not None:
            return found
        arrays = self.stored.layers.get(layer.definition.name, [])
        if len(arrays) == len(layer.parameters):
            return arrays[index]
        if arrays:
            raise self._error(layer, f"{len(arrays)} parameters are stored; it takes {len(layer.parameters)}")
        hint = nearest_name(layer.definition.name, self.stored.layers)
        raise layer.error("", f"its weights are missing from {self.stored.path}{hint}")

    def _stored_of_sharers(self, stored: StoredWeights, shared: str) -> StoredArray | None:
        """Return what is stored of a parameter that several layers share: of all who have it, the last in the file, as
        Caffe fills it from each in turn."""
        found = None
        for name, arrays in stored.layers.items():
            for layer, place in self.sharers[shared]:
                if layer.definition.name == name and len(arrays) == len(layer.parameters):
                    found = arrays[place]
        return found

    def _tensor(self, layer: LayerType, index: int, array: StoredArray) -> torch.Tensor:
        wanted = layer.parameters[index]
        if without_leading_ones(array.shape) != without_leading_ones(wanted):
            raise self._error(
                layer, f"parameter {index} is stored as {array.shape}; {layer.path.name} asks for {wanted}"
            )
        values = torch.from_numpy(array.read()).reshape(wanted)
        low, high = torch.aminmax(values)
        if not (math.isfinite(low) and math.isfinite(high)):
            raise self._error(layer, f"parameter {index} has values that are not finite; the file is broken")
        if index == 0 and low == high == 0 and layer.definition.type != "BatchNorm":
            self.notes.append(f'layer "{layer.definition.name}": its weights are all zero in the weights file')
        return values

    def _error(self, layer: LayerType, problem: str) -> ToolboxError:
        path = self.stored.path if self.stored else layer.path
        return ToolboxError(f'{path}: layer "{layer.definition.name}" ({layer.definition.type}): {problem}')

    @staticmethod
    def _shared_name(layer: LayerType, index: int) -> str:
        params = layer.definition.param
        return str(params[index].name) if index < len(params) else ""


def _write(plan: _Plan, parameters: _Parameters, hollow: bool) -> fx.GraphModule:
    writer = GraphWriter(hollow)
    writer.meta = {"layer": plan.input_name, "layer_type": "Input"}
    blobs: dict[str, fx.Node] = {plan.input_name: writer.input(plan.input_name)}
    blobs[plan.input_name].meta["shape"] = plan.input_shape
    unread: dict[str, None] = {}
    for layer in plan.layers:
        definition = layer.definition
        layer.blobs = parameters.of(layer)
        writer.meta = {"layer_type": definition.type}
        nodes = layer.emit(writer, [blobs[bottom] for bottom in definition.bottom])
        layer.blobs = []
        for bottom in definition.bottom:
            unread.pop(bottom, None)
        for top, shape, node in zip(definition.top, layer.tops, nodes, strict=True):
            _name_node(node, top, layer)
            node.meta["shape"] = shape
            blobs[top] = node
            unread[top] = None
    return writer.finish([blobs[name] for name in unread] or [blobs[plan.layers[-1].definition.bottom[0]]])


def _name_node(node: fx.Node, top: str, layer: LayerType) -> None:
    if "layer" in node.meta:  # an in-place layer that does nothing: the node keeps its name
        return
    node.meta["layer"] = top
    definition = layer.definition
    if definition.type in IN_PLACE_ACTIVATIONS and top in definition.bottom:
        node.meta["enters_below"] = True
    if definition.deconv_ignore or (definition.type == "LRN" and definition.lrn_param.deconv_ignore):
        node.meta["deconv_pass"] = True


def blob_shapes(prototxt: Path, input_shape: tuple[int, int, int] | None = None) -> dict[str, Sequence[int]]:
    """Return the shape of every blob for one image, by name, worked out from the prototxt alone."""
    definition = read_prototxt(Path(prototxt))
    inside = interior(definition)
    return dict(_plan(definition, inside, _input_shape(definition, inside, None, input_shape)).shapes)


def values_without_data(graph_module: fx.GraphModule) -> dict[fx.Node, torch.Tensor]:
    """Return what each node of the graph gives for one image, (1, …) float32: tensors that have a shape and no data."""
    nodes = [node for node in graph_module.graph.nodes if node.op != "output"]
    return {node: torch.empty((1, *node.meta["shape"]), device="meta") for node in nodes}
