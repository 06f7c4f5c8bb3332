"""Writes Caffe networks of a few layers with given parameters, and runs them here and in OpenCV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.caffe import caffe_formats_pb2 as formats
from tests.caffe.graphs import build_graph

Array = NDArray[np.float32]
Blobs = Mapping[str, Sequence[Array]]


def prototxt_text(input_shape: Sequence[int], layers: str) -> str:
    dimensions = " ".join(f"dim: {size}" for size in input_shape)
    return f'name: "test" input: "data" input_shape {{ {dimensions} }}\n{layers}\n'


def caffemodel_bytes(blobs: Blobs, types: Mapping[str, str]) -> bytes:
    net = formats.NetParameter(name="test")
    for name, arrays in blobs.items():
        layer = net.layer.add(name=name, type=types.get(name, "Convolution"))
        for array in arrays:
            blob = layer.blobs.add(data=array.ravel().tolist())
            blob.shape.dim.extend(array.shape)
    return net.SerializeToString()


def our_outputs(folder: Path, text: str, model: bytes, x: Array) -> list[Array]:
    (folder / "deploy.prototxt").write_text(text)
    weights = None
    if model:
        weights = folder / "weights.caffemodel"
        weights.write_bytes(model)
    graph = build_graph(folder / "deploy.prototxt", weights)
    with torch.inference_mode():
        outputs = graph(torch.from_numpy(x).to(memory_format=torch.channels_last))
    return [output.contiguous().numpy() for output in outputs]


def opencv_output(text: str, model: bytes, x: Array) -> Array:
    empty = formats.NetParameter(name="test").SerializeToString()
    net = cv2.dnn.readNetFromCaffe(np.frombuffer(text.encode(), np.uint8), np.frombuffer(model or empty, np.uint8))
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    net.enableFusion(False)
    net.setInput(x, "data")
    return np.array(net.forward())
