"""Whole Caffe files: three generations of definitions, and their weights in three forms."""

from __future__ import annotations

import tempfile
from pathlib import Path

import h5py
import numpy as np

from deepvis_toolbox.caffe import caffe_formats_pb2 as formats

NEWER = """
name: "seed" input: "data" input_shape { dim: 1 dim: 3 dim: 12 dim: 12 }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2 group: 1 weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv1" top: "conv1" batch_norm_param { use_global_stats: true } }
layer { name: "scale" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" relu_param { negative_slope: 0.1 } }
layer { name: "pool" type: "Pooling" bottom: "conv1" top: "pool" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "norm" type: "LRN" bottom: "pool" top: "norm" lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }
layer { name: "slice" type: "Slice" bottom: "norm" top: "a" top: "b" slice_param { axis: 1 slice_point: 2 } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum"
  eltwise_param { operation: SUM coeff: 1 coeff: -1 } }
layer { name: "cat" type: "Concat" bottom: "sum" bottom: "a" top: "cat" }
layer { name: "drop" type: "Dropout" bottom: "cat" top: "cat"
  dropout_param { dropout_ratio: 0.5 } include { phase: TEST } }
layer { name: "shape" type: "Reshape" bottom: "cat" top: "shape" reshape_param { shape { dim: 0 dim: -1 dim: 1 } } }
layer { name: "fc" type: "InnerProduct" bottom: "cat" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" include { phase: TRAIN } }
"""

OLDER = """
name: "old" input: "data" input_dim: 1 input_dim: 3 input_dim: 12 input_dim: 12
layers { name: "conv1" type: CONVOLUTION bottom: "data" top: "conv1" blobs_lr: 1
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2 } }
layers { name: "relu" type: RELU bottom: "conv1" top: "conv1" }
layers { name: "pool" type: POOLING bottom: "conv1" top: "pool"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layers { name: "fc" type: INNER_PRODUCT bottom: "pool" top: "fc" inner_product_param { num_output: 5 } }
layers { name: "prob" type: SOFTMAX bottom: "fc" top: "prob" }
"""

FIRST = """
name: "first" input: "data" input_dim: 1 input_dim: 3 input_dim: 12 input_dim: 12
layers { layer { name: "padding" type: "padding" pad: 1 } bottom: "data" top: "padded" }
layers { layer { name: "conv1" type: "conv" num_output: 4 kernelsize: 3 stride: 2 } bottom: "padded" top: "conv1" }
layers { layer { name: "relu" type: "relu" } bottom: "conv1" top: "conv1" }
layers { layer { name: "pool" type: "pool" kernelsize: 3 stride: 2 pool: AVE pad: 1 } bottom: "conv1" top: "pool" }
layers { layer { name: "fc" type: "innerproduct" num_output: 5 } bottom: "pool" top: "fc" }
"""

PARAMETERS = {"conv1": [(4, 3, 3, 3), (4,)], "bn": [(4,), (4,), (1,)], "scale": [(4,), (4,)], "fc": [(5, 36), (5,)]}
OLD_PARAMETERS = {"conv1": [(4, 3, 3, 3), (1, 1, 1, 4)], "fc": [(1, 1, 5, 64), (1, 1, 1, 5)]}


def values(shape: tuple[int, ...]) -> np.ndarray:
    """Return float32 values, the same every time."""
    return np.random.default_rng(0).uniform(0.1, 1, shape).astype(np.float32)


def newer_weights() -> bytes:
    """Return the .caffemodel of `NEWER`."""
    net = formats.NetParameter(name="seed")
    for name, shapes in PARAMETERS.items():
        stored = net.layer.add(name=name, type="Convolution")
        for shape in shapes:
            blob = stored.blobs.add(data=values(shape).ravel().tolist())
            blob.shape.dim.extend(shape)
    return net.SerializeToString()


def older_weights() -> bytes:
    """Return the .caffemodel of `OLDER` and of `FIRST`."""
    net = formats.NetParameter(name="old")
    for name, shapes in OLD_PARAMETERS.items():
        stored = net.layers.add(name=name)
        for shape in shapes:
            num, channels, height, width = (1,) * (4 - len(shape)) + shape
            data = values(shape).ravel().tolist()
            stored.blobs.add(num=num, channels=channels, height=height, width=width, data=data)
    return net.SerializeToString()


def hdf5_weights(**options: object) -> bytes:
    """Return the .caffemodel.h5 of `NEWER`; `options` are h5py's for its data sets."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.caffemodel.h5"
        with h5py.File(path, "w") as file:
            for name, shapes in PARAMETERS.items():
                for index, shape in enumerate(shapes):
                    file.create_dataset(f"data/{name}/{index}", data=values(shape), **options)
        return path.read_bytes()


def mean_blob(shape: tuple[int, int, int] = (3, 12, 12)) -> bytes:
    """Return the .binaryproto of a mean."""
    channels, height, width = shape
    data = (200 * values(shape)).ravel().tolist()
    return formats.BlobProto(num=1, channels=channels, height=height, width=width, data=data).SerializeToString()
