"""Where a network begins and ends: its one input, and the data and loss layers of a training prototxt, left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deepvis_toolbox.caffe.prototxt import Prototxt
from deepvis_toolbox.errors import ToolboxError

DATA_TYPES = frozenset(
    {
        "Data",
        "DummyData",
        "HDF5Data",
        "ImageData",
        "MemoryData",
        "WindowData",
        "AnnotatedData",
        "DenseImageData",
        "VideoData",
    }
)
LOSS_TYPES = frozenset({"Accuracy", "SoftmaxWithLoss", "HDF5Output"})


DETECTION_TYPES = frozenset(
    {"PriorBox", "DetectionOutput", "DetectionEvaluate", "Proposal", "ROIPooling", "PSROIPooling", "RegionOutput"}
    | {"YoloDetectionOutput", "Yolov3DetectionOutput"}
)
"""Layers of detectors that turn maps into boxes; the network is opened up to them."""


def is_data(layer: Any) -> bool:
    """Return whether a layer reads pictures: one of Caffe's own, or a Python layer that reads no blob."""
    return layer.type in DATA_TYPES or (layer.type == "Python" and not layer.bottom)


def is_loss(layer_type: str) -> bool:
    """Return whether a layer of this type only measures or writes down how well the network does."""
    return layer_type in LOSS_TYPES or layer_type.endswith("Loss")


@dataclass(frozen=True)
class Interior:
    """The layers between a network's ends, in order, its input blob, and what was left out."""

    input_name: str
    input_shape: tuple[int, ...]
    """As declared, batch first; empty where a data layer does not say it."""
    layers: tuple[Any, ...]
    notes: tuple[str, ...]
    prepares: Mapping[str, Any] = field(default_factory=dict)
    """What the input's data layer does to pictures, in the words of a model.yaml's `input`: `mean`, `scale`.

    The path of a mean's file is relative to where its author ran Caffe.
    """


def interior(prototxt: Prototxt) -> Interior:
    """Take the ends off. Raises `ToolboxError` where there is no input, or more than one is used."""
    declared = dict(prototxt.inputs)
    labels: set[str] = set()
    layers, left_out = [], []
    boxes: dict[str, str] = {}
    readers: dict[str, Any] = {}
    for layer in (*_training_data(prototxt), *prototxt.layers):
        if layer.type == "Input":
            declared.update(_input_layer(layer, prototxt))
        elif layer.type in DETECTION_TYPES or not boxes.keys().isdisjoint(layer.bottom):
            boxes.update(dict.fromkeys(layer.top, f"{layer.name} ({layer.type})"))
        elif is_data(layer):
            left_out.append(layer.name)
            declared.update({top: _data_shape(layer) for top in layer.top[:1]})
            readers.update(dict.fromkeys(layer.top[:1], layer))
            labels.update(layer.top[1:])
        elif is_loss(layer.type) or (layer.bottom and labels.issuperset(layer.bottom)):
            left_out.append(layer.name)
            labels.update(top for top in layer.top if top not in layer.bottom)
        else:
            layers.append(layer)
    notes = [*prototxt.notes]
    if left_out:
        notes.append(f"left out, data and loss layers: {', '.join(dict.fromkeys(left_out))}")
    if boxes:
        known = ", ".join(dict.fromkeys(boxes.values()))
        notes.append(f"opened up to the layers that make boxes, which are not computed: {known}")
    name = _used_input(declared, layers, prototxt, notes)
    prepares = _prepares(readers[name]) if name in readers else {}
    return Interior(name, declared[name], tuple(layers), tuple(notes), prepares)


def _prepares(layer: Any) -> dict[str, Any]:
    """Return what a data layer does to the values of a picture: minus a mean (numbers, or a file), times a scale."""
    own = [getattr(layer, field) for field in ("transform_param", *_DATA_FIELDS)]
    prepares: dict[str, Any] = {}
    if layer.transform_param.mean_value:
        prepares["mean"] = [float(value) for value in layer.transform_param.mean_value]
    scales = [field.scale for field in own if field.HasField("scale")]
    if scales:
        prepares["scale"] = _shortest(scales[0])
    files = [field.mean_file for field in own if field.HasField("mean_file")]
    return prepares | ({"mean": files[0]} if files else {})


def _shortest(value: float) -> float:
    """Return the number with the fewest digits that is this one in single precision, as it was written."""
    return float(str(np.float32(value)))


_DATA_FIELDS = ("data_param", "image_data_param", "window_data_param")
"""Where a data layer's preprocessing was written before `transform_param`."""


def _training_data(prototxt: Prototxt) -> list[Any]:
    """Return the data layers for training, where no others say what the input is."""
    has_input = prototxt.inputs or any(layer.type == "Input" or is_data(layer) for layer in prototxt.layers)
    if has_input:
        return []
    found = [layer for layer in prototxt.left_out if is_data(layer)]
    return found[:1]


def _used_input(
    declared: dict[str, tuple[int, ...]], layers: Iterable[Any], prototxt: Prototxt, notes: list[str]
) -> str:
    read = {bottom for layer in layers for bottom in layer.bottom if layer.type != "Silence"}
    used = [name for name in declared if name in read]
    unused = [name for name in declared if name not in read]
    if len(used) > 1:
        raise ToolboxError(f"{prototxt.path}: has the inputs {', '.join(used)}; networks of one input are supported")
    if not used:
        raise ToolboxError(
            f'{prototxt.path}: has no input that a layer reads; add one: input: "data" and '
            "input_shape { dim: 1 dim: 3 dim: 227 dim: 227 }"
        )
    if unused:
        notes.append(f"left out, inputs that nothing reads: {', '.join(unused)}")
    return used[0]


def _input_layer(layer: Any, prototxt: Prototxt) -> dict[str, tuple[int, ...]]:
    shapes = [tuple(shape.dim) for shape in layer.input_param.shape]
    if len(shapes) not in (1, len(layer.top)):
        raise ToolboxError(
            f'{prototxt.path}: layer "{layer.name}" (Input), field "shape": has {len(shapes)} for {len(layer.top)} tops'
        )
    return {top: shapes[0 if len(shapes) == 1 else index] for index, top in enumerate(layer.top)}


def _data_shape(layer: Any) -> tuple[int, ...]:
    """Return what a data layer says about its images, batch first; 0 where it does not say, empty where it says
    nothing."""
    if layer.type == "MemoryData":
        memory = layer.memory_data_param
        return (1, memory.channels, memory.height, memory.width)
    if layer.type == "DummyData" and layer.dummy_data_param.shape:
        return tuple(layer.dummy_data_param.shape[0].dim)
    crop = layer.transform_param.crop_size or layer.data_param.crop_size or layer.image_data_param.crop_size
    crop = crop or layer.window_data_param.crop_size
    height, width = (crop, crop) if crop else (layer.image_data_param.new_height, layer.image_data_param.new_width)
    return (1, _data_channels(layer), height, width) if height and width else ()


def _data_channels(layer: Any) -> int:
    """Return 1 for grey images, 3 for colour, 0 where only the stored weights can tell."""
    if layer.transform_param.force_gray or (layer.type == "ImageData" and not layer.image_data_param.is_color):
        return 1
    return 3 if layer.transform_param.force_color or layer.type in ("ImageData", "WindowData") else 0
