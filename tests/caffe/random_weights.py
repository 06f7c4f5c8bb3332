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


def write_random_weights(prototxt: Path, target: Path, seed: int = 0) -> int:
    """Writes parameters for every layer of the prototxt that has some; returns how many numbers they are."""
    random = np.random.default_rng(seed)
    shapes = blob_shapes(prototxt)
    model = formats.NetParameter(name="random")
    count = 0
    for layer in interior(read_prototxt(prototxt)).layers:
        blobs = _parameters(layer, tuple(shapes[layer.bottom[0]]), random) if layer.bottom else []
        if blobs:
            stored = model.layer.add(name=layer.name, type=layer.type)
            for values in blobs:
                count += values.size
                blob = stored.blobs.add(data=values.ravel().astype("f4"))
                blob.shape.dim.extend(values.shape)
    target.write_bytes(model.SerializeToString())
    return count


def _parameters(layer: Any, bottom: tuple[int, ...], random: np.random.Generator) -> list[Any]:
    channels = bottom[0]
    if layer.type == "Convolution":
        field = layer.convolution_param
        kernel = (field.kernel_h or field.kernel_size[0], field.kernel_w or field.kernel_size[-1])
        shape = (field.num_output, channels // field.group, *kernel)
        return _weights_and_bias(shape, field.bias_term, random)
    if layer.type == "InnerProduct":
        field = layer.inner_product_param
        return _weights_and_bias((field.num_output, math.prod(bottom)), field.bias_term, random)
    if layer.type == "BatchNorm":  # sums of 2 batches: mean, variance, how many
        return [random.normal(0, 0.2, channels), random.uniform(0.5, 4, channels), np.array([2.0])]
    if layer.type == "Scale":
        scale = random.uniform(0.5, 1.5, channels)
        return [scale, random.normal(0, 0.3, channels)] if layer.scale_param.bias_term else [scale]
    return []


def _weights_and_bias(shape: tuple[int, ...], has_bias: bool, random: np.random.Generator) -> list[Any]:
    weights = random.standard_normal(shape, np.float32) * math.sqrt(2 / math.prod(shape[1:]))
    return [weights, random.normal(0, 0.1, shape[0])] if has_bias else [weights]
