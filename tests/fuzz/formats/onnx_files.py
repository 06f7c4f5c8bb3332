"""ONNX files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
import torch._dynamo  # of which some shapes make torch ask: once here, not in every worker
from onnx import helper, numpy_helper

from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.onnx.network_graph import graph_of_onnx
from deepvis_toolbox.onnx.stored_file import read_onnx
from tests.fuzz.harness import Files, Harness, harness
from tests.fuzz.mutations.onnx_files import onnx_changed
from tests.fuzz.mutations.plain_bytes import PLAIN, Mutation

_FILE = "net.onnx"
_CONVOLUTIONS = (
    ("Conv", ["image", "w", "b"], "a", {"pads": [1, 1, 1, 1], "strides": [1, 1]}),
    ("BatchNormalization", ["a", "b", "b", "b", "v"], "c", {}),
    ("Clip", ["c", "zero", "six"], "d", {}),
    ("MaxPool", ["d"], "e", {"kernel_shape": [2, 2], "strides": [2, 2]}),
    ("Resize", ["e", "", "scales"], "f", {"mode": "linear"}),
    ("Concat", ["d", "f"], "g", {"axis": 1}),
    ("GlobalAveragePool", ["g"], "h", {}),
    ("Flatten", ["h"], "i", {"axis": 1}),
    ("Gemm", ["i", "m"], "y", {"transB": 1}),
)
_TOKENS = (
    ("Shape", ["image"], "s", {}),
    ("Gather", ["s", "first"], "n", {"axis": 0}),
    ("Concat", ["n", "rest"], "t", {"axis": 0}),
    ("Reshape", ["image", "t"], "a", {}),
    ("Transpose", ["a"], "c", {"perm": [0, 2, 1]}),
    ("MatMul", ["c", "k"], "d", {}),
    ("Add", ["d", "b"], "e", {}),
    ("Softmax", ["e"], "f", {"axis": -1}),
    ("ReduceMean", ["f"], "g", {"axes": [1], "keepdims": 0}),
    ("Slice", ["g", "first", "three", "one"], "h", {}),
    ("QuantizeLinear", ["h", "scale", "point"], "q", {}),
    ("DequantizeLinear", ["q", "scale", "point"], "y", {}),
)


@harness("onnx")
class OnnxFiles(Harness):
    """Networks of other frameworks (`--model net.onnx`)."""

    def seeds(self) -> list[Files]:
        return [
            {_FILE: _file(_CONVOLUTIONS, 13, "n")},
            {_FILE: _file(_TOKENS, 13, "n")},
            {_FILE: _file(_CONVOLUTIONS, 17, 1)},
        ]

    def mutations(self, name: str) -> Sequence[Mutation]:  # noqa: ARG002
        return [*PLAIN, *[onnx_changed] * 4 * len(PLAIN)]

    def use(self, folder: Path) -> None:
        file = read_onnx(folder / _FILE)
        height, width = file.image.size or (8, 8)
        shape = (sum(image.channels for image in file.images), min(height, 32), min(width, 32))
        if shape[0] not in (1, 3):
            return
        graph = graph_of_onnx(file, shape)
        how = Preprocessing(shape[1:], "gray" if shape[0] == 1 else "RGB")
        network = TorchNetwork(graph, ModelDescription("net", how), torch.device("cpu"))
        last = list(network.layers)[-1]
        images = torch.zeros(2, *shape)
        values = network.forward(images, [last])[last]
        network.backward(images, last, torch.ones_like(values), "guided")


def _file(nodes: Sequence[tuple[str, list[str], str, Mapping[str, object]]], opset: int, count: int | str) -> bytes:
    dice = np.random.default_rng(4)
    numbers: dict[str, object] = {
        "w": dice.normal(size=(4, 3, 3, 3)).astype(np.float32), "b": dice.normal(size=4).astype(np.float32),
        "v": np.full(4, 0.5, np.float32), "zero": np.float32(0), "six": np.float32(6), "m": np.ones((3, 8), np.float32),
        "scales": np.array([1, 1, 2, 2], np.float32), "first": np.array([0]), "one": np.array([1]),
        "three": np.array([3]), "rest": np.array([3, -1]), "k": dice.normal(size=(3, 4)).astype(np.float32),
        "scale": np.float32(0.1), "point": np.uint8(0),
    }  # fmt: skip
    made = [helper.make_node(name, inputs, [output], **given) for name, inputs, output, given in nodes]
    used = {name for node in made for name in node.input} & numbers.keys()
    stored = [numpy_helper.from_array(np.asarray(numbers[name]), name) for name in sorted(used)]
    image = helper.make_tensor_value_info("image", 1, [count, 3, 8, 8])
    graph = helper.make_graph(made, "net", [image], [helper.make_tensor_value_info("y", 1, None)], stored)
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return model.SerializeToString()
