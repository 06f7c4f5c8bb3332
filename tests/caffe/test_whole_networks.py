"""Whole networks with random weights against OpenCV: every blob that is not overwritten in place."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import fx

from deepvis_toolbox.caffe.prototxt import read_prototxt
from tests.caffe.graphs import build_graph
from tests.caffe.random_weights import write_random_weights
from tests.caffe.small_networks import convolution, googlenet_like, layer, relu, resnet_like


def alexnet_like() -> str:
    """Groups, overlapping pools before LRN, fully connected layers with dropout."""
    lrn, pool = "local_size: 5 alpha: 0.1 beta: 0.75", "pool: MAX kernel_size: 3 stride: 2"
    return (
        'input: "data" input_dim: 1 input_dim: 3 input_dim: 67 input_dim: 59\n'
        + convolution("conv1", "data", 12, 11, "stride: 4")
        + relu("relu1", "conv1")
        + layer("pool1", "Pooling", "conv1", pooling_param=pool)
        + layer("norm1", "LRN", "pool1", lrn_param=lrn)
        + convolution("conv2", "norm1", 16, 5, "pad: 2 group: 2")
        + relu("relu2", "conv2")
        + layer("norm2", "LRN", "conv2", lrn_param=lrn)
        + layer("pool2", "Pooling", "norm2", pooling_param=pool)
        + layer("fc6", "InnerProduct", "pool2", inner_product_param="num_output: 20")
        + relu("relu6", "fc6")
        + layer("drop6", "Dropout", "fc6", "fc6", dropout_param="dropout_ratio: 0.5")
        + layer("fc8", "InnerProduct", "fc6", inner_product_param="num_output: 9")
        + layer("prob", "Softmax", "fc8")
    )


def vgg_like() -> str:
    """Pairs of padded 3×3 convolutions, pools of two."""
    text, bottom = 'input: "data" input_shape { dim: 1 dim: 3 dim: 32 dim: 32 }\n', "data"
    for block, outputs in enumerate((6, 10, 14), 1):
        for number in (1, 2):
            name = f"conv{block}_{number}"
            text += convolution(name, bottom, outputs, 3, "pad: 1") + relu(f"relu{block}_{number}", name)
            bottom = name
        text += layer(f"pool{block}", "Pooling", bottom, pooling_param="pool: MAX kernel_size: 2 stride: 2")
        bottom = f"pool{block}"
    text += layer("fc8", "InnerProduct", bottom, inner_product_param="num_output: 11")
    return text + layer("prob", "Softmax", "fc8")


class _Blobs(fx.Interpreter):
    """Runs a graph and keeps every blob's last value."""

    def __init__(self, graph_module: fx.GraphModule) -> None:
        super().__init__(graph_module)
        self.values: dict[str, torch.Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if "layer" in n.meta:
            self.values[n.meta["layer"]] = result
        return result


def _names_of_opencv(prototxt: Path) -> dict[str, str]:
    """Blob -> the name of the only layer that writes it, by which OpenCV gives it."""
    layers = read_prototxt(prototxt).layers
    writers = Counter(top for layer in layers for top in layer.top)
    return {layer.top[0]: layer.name for layer in layers if writers[layer.top[0]] == 1 and layer.type != "Input"}


@pytest.mark.parametrize("write", [alexnet_like, googlenet_like, resnet_like, vgg_like])
def test_every_blob_is_opencvs(write: Any, tmp_path: Path) -> None:
    prototxt, weights = tmp_path / "deploy.prototxt", tmp_path / "weights.caffemodel"
    prototxt.write_text(write())
    write_random_weights(prototxt, weights)
    graph = build_graph(prototxt, weights)
    x = np.random.default_rng(1).normal(0, 1, (1, *graph.meta["input_shape"])).astype(np.float32)
    ours = _Blobs(graph)
    with torch.inference_mode():
        ours.run(torch.from_numpy(x).to(memory_format=torch.channels_last))
    net = cv2.dnn.readNetFromCaffe(str(prototxt), str(weights))
    net.enableFusion(False)
    net.setInput(x)
    named = _names_of_opencv(prototxt)
    assert len(named) >= 5
    for blob, theirs in zip(named, net.forward(list(named.values())), strict=True):
        largest = float(np.abs(theirs).max())
        np.testing.assert_allclose(ours.values[blob].numpy(), theirs, rtol=1e-3, atol=1e-4 * largest, err_msg=blob)
