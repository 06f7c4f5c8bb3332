"""Layers are called as a person would call them, whoever wrote the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from deepvis_toolbox import load_network
from tests.onnx_files.made_files import model_of, saved

WEIGHT = np.random.default_rng(0).normal(size=(3, 3, 1, 1)).astype(np.float32)


def layers(nodes: list[onnx.NodeProto], path: Path) -> list[str]:
    constants = {name: WEIGHT for node in nodes for name in node.input if name.endswith(("weight", "w"))}
    return list(load_network(saved(model_of(nodes, constants), path / "net.onnx"), mean=0).layers)[1:]


def scoped(node: onnx.NodeProto, *scopes: str) -> onnx.NodeProto:
    """As PyTorch's newer exporter notes the modules around a node."""
    node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=str(["", *scopes, node.name]))
    return node


def conv(source: str, output: str, weight: str = "w", name: str = "") -> onnx.NodeProto:
    return helper.make_node("Conv", [source, weight], [output], name)


def relu(source: str, output: str, name: str = "") -> onnx.NodeProto:
    return helper.make_node("Relu", [source], [output], name)


NAMES: dict[str, tuple[list[onnx.NodeProto], list[str]]] = {
    "scopes of modules": (
        [conv("image", "/a/a.0/conv/Conv_output_0", name="/a/a.0/conv/Conv"),
         relu("/a/a.0/conv/Conv_output_0", "/a/a.0/Relu_output_0", name="/a/a.0/Relu"),
         relu("/a/a.0/Relu_output_0", "y", name="/Relu")],
        ["a.0.conv", "a.0.relu", "relu"],
    ),
    "a module that is used twice": (
        [relu("image", "/act/Relu_output_0", name="/act/Relu"), relu("/act/Relu_output_0", "y", name="/act/Relu_1")],
        ["act", "act_1"],
    ),
    "noted scopes": (
        [scoped(conv("image", "val_0", name="node_conv2d"), "layer1", "layer1.0", "layer1.0.conv1"),
         scoped(relu("val_0", "y", name="node_relu"), "layer1", "layer1.0", "layer1.0.relu")],
        ["layer1.0.conv1", "layer1.0.relu"],
    ),
    "weights alone": (
        [conv("image", "11", "features.0.weight"), relu("11", "12"), conv("12", "y", "features.3.weight")],
        ["features.0", "relu_12", "features.3"],
    ),
    "weights that a function reads before their layer": (
        [conv("image", "a", "b.weight", name="/Conv"), conv("a", "y", "b.weight", name="/b/Conv")],
        ["conv", "b"],
    ),
    "nodes of older exporters": ([conv("image", "11", name="Conv_0"), relu("11", "y", "Relu_1")], ["Conv_0", "y"]),
    "folders of TensorFlow": (
        [conv("image", "StatefulPartitionedCall/model/conv/Conv2D:0"),
         relu("StatefulPartitionedCall/model/conv/Conv2D:0", "StatefulPartitionedCall/model/act/Relu:0")],
        ["conv/Conv2D", "act/Relu"],
    ),
    "what no address can hold": ([conv("image", "a:b c@1"), relu("a:b c@1", "y")], ["a_b_c_1", "y"]),
}  # fmt: skip


@pytest.mark.parametrize("case", NAMES)
def test_layers_are_called_as_the_file_says(case: str, tmp_path: Path) -> None:
    nodes, wanted = NAMES[case]
    if case.startswith("folders"):
        model = model_of(nodes, {"w": WEIGHT}, outputs=["StatefulPartitionedCall/model/act/Relu:0"])
        found = list(load_network(saved(model, tmp_path / "net.onnx"), mean=0).layers)[1:]
    else:
        found = layers(nodes, tmp_path)
    assert found == wanted
