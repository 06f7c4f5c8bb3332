"""Random parameters for a prototxt, written as a .caffemodel; their size keeps activations near 1 in deep networks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from deepvis_toolbox.caffe import caffe_formats_pb2 as formats
from deepvis_toolbox.caffe.graph import blob_shapes
from deepvis_toolbox.caffe.network_ends import interior
from deepvis_toolbox.caffe.prototxt import read_prototxt

Shape = tuple[int, ...]


def parameter_shapes(prototxt: Path) -> dict[str, tuple[str, list[Shape]]]:
    """{layer name: (its type, the shapes of its parameters)}, worked out here and not by the reader under test."""
    shapes = blob_shapes(prototxt)
    found = {}
    for layer in interior(read_prototxt(prototxt)).layers:
        parameters = _shapes(layer, tuple(shapes[layer.bottom[0]]))
        if parameters:
            found[layer.name] = (layer.type, parameters)
    return found


def write_random_weights(prototxt: Path, target: Path, seed: int = 0) -> None:
    """Writes parameters for every layer of the prototxt that has some."""
    random = np.random.default_rng(seed)
    model = formats.NetParameter(name="random")
    for name, (kind, shapes) in parameter_shapes(prototxt).items():
        stored = model.layer.add(name=name, type=kind)
        for index, shape in enumerate(shapes):
            stored.blobs.add().MergeFromString(_packed(_values(kind, index, shape, random)))
            stored.blobs[-1].shape.dim.extend(shape)
    target.write_bytes(model.SerializeToString())


def _packed(values: Any) -> bytes:
    """A BlobProto's field 5, packed floats, as bytes: a list of Python numbers would take seconds."""
    content = values.astype("<f4").tobytes()
    length, digits = len(content), b""
    while length >= 128:
        length, digits = length >> 7, digits + bytes([length & 127 | 128])
    return bytes([5 << 3 | 2]) + digits + bytes([length]) + content


def _shapes(layer: Any, bottom: Shape) -> list[Shape]:
    channels = bottom[0]
    if layer.type == "Convolution":
        field = layer.convolution_param
        kernel = (field.kernel_h or field.kernel_size[0], field.kernel_w or field.kernel_size[-1])
        bias = [(field.num_output,)] if field.bias_term else []
        return [(field.num_output, channels // field.group, *kernel), *bias]
    if layer.type == "InnerProduct":
        outputs = layer.inner_product_param.num_output
        return (
            [(outputs, math.prod(bottom)), (outputs,)]
            if layer.inner_product_param.bias_term
            else [(outputs, math.prod(bottom))]
        )
    if layer.type == "BatchNorm":
        return [(channels,), (channels,), (1,)]
    if layer.type == "Scale":
        return [(channels,), (channels,)] if layer.scale_param.bias_term else [(channels,)]
    return []


def _values(kind: str, index: int, shape: Shape, random: np.random.Generator) -> Any:
    if kind == "BatchNorm":  # sums of 2 batches: mean, variance, how many
        return [random.normal(0, 0.2, shape), random.uniform(0.5, 4, shape), np.array([2.0])][index]
    if index == 1:
        return random.normal(0, 0.1, shape)
    if kind == "Scale":
        return random.uniform(0.5, 1.5, shape)
    return random.standard_normal(shape, np.float32) * math.sqrt(2 / math.prod(shape[1:]))
