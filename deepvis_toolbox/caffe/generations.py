"""Brings layers of the older form (`layers { type: CONVOLUTION }`) into the newer (`layer { type: "Convolution" }`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deepvis_toolbox.caffe import caffe_formats_pb2 as formats
from deepvis_toolbox.caffe.first_generation import modernized
from deepvis_toolbox.caffe.layer_types import LAYER_TYPES
from deepvis_toolbox.errors import ToolboxError

_OLD_NAMES_OF_DROPPED = {
    "ACCURACY": "Accuracy",
    "CONTRASTIVE_LOSS": "ContrastiveLoss",
    "DATA": "Data",
    "DUMMY_DATA": "DummyData",
    "EUCLIDEAN_LOSS": "EuclideanLoss",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss",
    "IMAGE_DATA": "ImageData",
    "IM2COL": "Im2col",
    "INFOGAIN_LOSS": "InfogainLoss",
    "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "WINDOW_DATA": "WindowData",
}
"""The older names of layer types that are not computed; those that are give their own (`LayerType.old_name`)."""


def upgraded_layers(net: Any, path: Path) -> list[Any]:
    """Return all layers as LayerParameter messages, whichever generation the file is written in."""
    if net.layer and net.layers:
        raise ToolboxError(f'{path}: has both "layer" and "layers"; write all of them as "layer"')
    if not net.layers:
        return list(net.layer)
    first_form = [old.HasField("layer") for old in net.layers]
    if all(first_form):
        return modernized(net.layers, path)
    if any(first_form):
        raise ToolboxError(f'{path}: some of its "layers" have a "layer" inside, some have none; write all alike')
    names = _OLD_NAMES_OF_DROPPED | {kind.old_name: name for name, kind in LAYER_TYPES.items() if kind.old_name}
    return [_upgraded(old, names) for old in net.layers]


def _upgraded(old: Any, names: dict[str, str]) -> Any:
    new = formats.LayerParameter(name=old.name, bottom=old.bottom, top=old.top)
    old_type = formats.V1LayerParameter.LayerType.Name(old.type)
    new.type = names.get(old_type, old_type)
    new.include.extend(old.include)
    new.exclude.extend(old.exclude)
    new.param.extend(formats.ParamSpec(name=shared) for shared in old.param)
    for descriptor, value in old.ListFields():
        if descriptor.name.endswith("_param"):
            getattr(new, descriptor.name).CopyFrom(value)
    if old.HasField("deconv_ignore"):
        new.deconv_ignore = old.deconv_ignore
    return new
