"""Brings layers of Caffe's first form (`layers { layer { type: "conv" } }`, before 2014) into the newest.

There, padding was a layer of its own before a convolution or pooling layer: it becomes that layer's `pad`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepvis_toolbox.caffe import caffe_formats_pb2 as formats
from deepvis_toolbox.errors import ToolboxError

_TYPES = {
    "accuracy": "Accuracy",
    "bnll": "BNLL",
    "concat": "Concat",
    "conv": "Convolution",
    "data": "Data",
    "dropout": "Dropout",
    "euclidean_loss": "EuclideanLoss",
    "flatten": "Flatten",
    "hdf5_data": "HDF5Data",
    "hinge_loss": "HingeLoss",
    "images": "ImageData",
    "infogain_loss": "InfogainLoss",
    "innerproduct": "InnerProduct",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MultinomialLogisticLoss",
    "pool": "Pooling",
    "relu": "ReLU",
    "sigmoid": "Sigmoid",
    "softmax": "Softmax",
    "softmax_loss": "SoftmaxWithLoss",
    "split": "Split",
    "tanh": "TanH",
    "window_data": "WindowData",
}

_FIELDS: dict[str, dict[str, str]] = {
    "conv": {
        "num_output": "convolution_param.num_output",
        "biasterm": "convolution_param.bias_term",
        "pad": "convolution_param.pad",
        "kernelsize": "convolution_param.kernel_size",
        "group": "convolution_param.group",
        "stride": "convolution_param.stride",
    },
    "innerproduct": {"num_output": "inner_product_param.num_output", "biasterm": "inner_product_param.bias_term"},
    "pool": {
        "pad": "pooling_param.pad",
        "kernelsize": "pooling_param.kernel_size",
        "stride": "pooling_param.stride",
        "pool": "pooling_param.pool",
    },
    "dropout": {"dropout_ratio": "dropout_param.dropout_ratio"},
    "lrn": {name: f"lrn_param.{name}" for name in ("local_size", "alpha", "beta", "k")},
    "concat": {"concat_dim": "concat_param.concat_dim"},
    "data": {"cropsize": "transform_param.crop_size"},
    "images": {"cropsize": "transform_param.crop_size"},
    "window_data": {"cropsize": "transform_param.crop_size"},
}
"""For each type, where its fields are in the newest form."""

_WITHOUT_EFFECT = {"name", "type", "weight_filler", "bias_filler", "blobs_lr", "weight_decay"}
_WITHOUT_EFFECT |= {"source", "scale", "meanfile", "batchsize", "mirror", "rand_skip"}


def modernized(layers: Sequence[Any], path: Path) -> list[Any]:
    """Return the layers as LayerParameter messages, those of padding merged into the ones that read them."""
    padded: dict[str, tuple[str, int]] = {}
    new = []
    for old in layers:
        if old.layer.type == "padding":
            if len(old.bottom) != 1 or len(old.top) != 1:
                raise ToolboxError(f'{path}: layer "{old.layer.name}" (padding): reads and makes one blob each')
            padded[old.top[0]] = (old.bottom[0], old.layer.pad)
            continue
        layer = _modernized(old, path)
        for index, bottom in enumerate(layer.bottom):
            if bottom in padded:
                layer.bottom[index] = padded[bottom][0]
                _set_padding(layer, padded[bottom][1], path)
        new.append(layer)
    return new


def _modernized(old: Any, path: Path) -> Any:
    own = old.layer
    where = f'{path}: layer "{own.name}"'
    if own.type not in _TYPES:
        raise ToolboxError(f'{where}, field "type": the layer type "{own.type}" of before 2014 is not supported')
    layer = formats.LayerParameter(name=own.name, type=_TYPES[own.type], bottom=old.bottom, top=old.top)
    places = _FIELDS.get(own.type, {})
    for descriptor, value in own.ListFields():
        if descriptor.name in places:
            _put(layer, places[descriptor.name], value)
        elif descriptor.name not in _WITHOUT_EFFECT:
            raise ToolboxError(f'{where}, field "{descriptor.name}": has no meaning for the type "{own.type}"')
    return layer


def _put(layer: Any, place: str, value: Any) -> None:
    message, _, name = place.partition(".")
    param = getattr(layer, message)
    if message == "convolution_param" and name in ("pad", "kernel_size", "stride"):  # once for each axis since then
        getattr(param, name).append(value)
    else:
        setattr(param, name, value)


def _set_padding(layer: Any, padding: int, path: Path) -> None:
    places = {"Convolution": "convolution_param.pad", "Pooling": "pooling_param.pad"}
    if layer.type not in places:
        raise ToolboxError(f'{path}: layer "{layer.name}" ({layer.type}): padding before it has no meaning')
    if layer.type == "Convolution":
        layer.convolution_param.ClearField("pad")
    _put(layer, places[layer.type], padding)
