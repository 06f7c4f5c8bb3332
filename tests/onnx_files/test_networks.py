"""Whole networks: what PyTorch exports is the module again, in values, gradients and every backward mode."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper
from torch import nn

from deepvis_toolbox import load_network
from deepvis_toolbox.opening.efficientnet_lite import efficientnet_lite0
from tests.nets import Branching, Classic, Residual, opened
from tests.onnx_files.made_files import by_onnx_runtime, exported, model_of, quantised, saved
from tests.onnx_files.operator_cases import ints, node
from tests.onnx_files.written_networks import Smooth, Transformer

SIZE = (32, 32)
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "residual": Residual, "branching": Branching, "classic": Classic, "transformer": Transformer, "smooth": Smooth,
}  # fmt: skip
UNFOLDED = {"do_constant_folding": False, "training": torch.onnx.TrainingMode.PRESERVE}
WAYS: dict[str, dict[str, Any]] = {
    "any number": {}, "one image": {"any_number": False}, "opset 9": {"opset": 9}, "opset 11": {"opset": 11},
    "as it is": UNFOLDED, "one image, as it is": {"any_number": False, **UNFOLDED},
}  # fmt: skip
IMAGES = torch.randn(3, 3, *SIZE, generator=torch.Generator().manual_seed(2))


def made(name: str) -> nn.Module:
    torch.manual_seed(3)
    return NETWORKS[name]().eval()


def last(network: Any) -> str:
    return list(network.layers)[-1]


PAIRS = [
    *[(name, way) for name in NETWORKS for way in ("any number", "one image, as it is")],
    *[("residual", way) for way in ("opset 9", "as it is")],
    *[("transformer", way) for way in ("opset 9", "opset 11", "one image")],
    ("smooth", "opset 11"),
]


@pytest.mark.parametrize(("name", "way"), PAIRS)
def test_an_exported_network_is_the_module(name: str, way: str, tmp_path: Path) -> None:
    module = made(name)
    network = load_network(exported(module, tmp_path / "net.onnx", **WAYS[way]))
    itself = opened(module, SIZE)
    assert not any("one picture at a time" in note for note in network.notes)
    found, wanted = network.forward(IMAGES, [last(network)]), itself.forward(IMAGES, [last(itself)])
    torch.testing.assert_close(found[last(network)], wanted[last(itself)], rtol=1e-4, atol=1e-5)
    diff = torch.randn_like(wanted[last(itself)])
    modes: Any = ("grad", "deconv", "guided")
    for mode in modes:
        signals = [each.backward(IMAGES, last(each), diff, mode)["data"] for each in (network, itself)]
        torch.testing.assert_close(signals[0], signals[1], rtol=1e-3, atol=1e-5 * float(signals[1].abs().max()))


def test_rectifiers_are_known_however_an_exporter_writes_them(tmp_path: Path) -> None:
    network = load_network(exported(made("smooth"), tmp_path / "net.onnx", opset=11))
    kinds = {name: layer.kind for name, layer in network.layers.items() if layer.rectifier}
    assert kinds == {name: name for name in ("silu", "relu", "hardswish", "gelu", "mish", "relu6")}


def test_layers_have_their_modules_paths(tmp_path: Path) -> None:
    network = load_network(exported(made("transformer"), tmp_path / "net.onnx", opset=11))
    parts = ("norm1", "qkv", "softmax", "proj", "norm2", "mlp.0", "mlp.1", "mlp.2", "add", "add_1")
    paths = {f"blocks.{index}.{part}" for index in (0, 1) for part in parts}
    assert {"patch", "norm", "head"} | paths <= set(network.layers)
    norms = {type(part) for part in network.graph_module.modules()}  # type: ignore[attr-defined]
    assert {nn.LayerNorm, nn.Linear, nn.Conv2d} <= norms


@pytest.mark.parametrize("opset", [9, 17])
def test_a_local_response_norm_is_one_again(opset: int, tmp_path: Path) -> None:
    module = made("classic")
    network = load_network(exported(module, tmp_path / "net.onnx", opset=opset), mean=[0])
    assert list(network.layers) == list(opened(module, SIZE).layers)
    assert network.layers["norm1"].kind == "lrn"


def test_batch_norms_are_folded_and_receptive_fields_are_the_modules(tmp_path: Path) -> None:
    module = made("residual")
    network = load_network(exported(module, tmp_path / "net.onnx", **UNFOLDED))
    itself = opened(module, SIZE)
    assert {nn.Conv2d, nn.BatchNorm2d, nn.Linear} <= {type(part) for part in network.graph_module.modules()}  # type: ignore[attr-defined]
    common = [name for name in network.layers if name in itself.layers]
    assert {"stem", "stem_norm", "relu", "conv1", "norm1", "relu_1", "conv2", "norm2", "add", "relu_2", "fc"} <= {
        *common
    }
    for name in common:
        assert network.receptive_field(name) == itself.receptive_field(name)
        assert network.layers[name].kind == itself.layers[name].kind or name == "reshape"


def test_the_default_network_is_itself(tmp_path: Path) -> None:
    module = efficientnet_lite0().eval()
    network = load_network(exported(module, tmp_path / "net.onnx", (64, 64)), mean=[127] * 3)
    itself = opened(module, (64, 64))
    x = torch.randn(2, 3, 64, 64)
    found, wanted = network.forward(x, [last(network)]), itself.forward(x, [last(itself)])
    torch.testing.assert_close(found[last(network)], wanted[last(itself)], rtol=1e-3, atol=1e-6)
    assert network.layers["block2.depthwise.relu"].kind == "relu6"


def test_half_precise_weights_are_computed_in_float32(tmp_path: Path) -> None:
    module = made("residual")
    model = onnx.load(str(exported(module, tmp_path / "net.onnx")))
    for stored in model.graph.initializer:
        if stored.data_type == TensorProto.FLOAT:
            half = numpy_helper.from_array(numpy_helper.to_array(stored).astype(np.float16), stored.name)
            stored.CopyFrom(half)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    network = load_network(saved(model, tmp_path / "half.onnx"))
    assert "weights of float16 are computed in float32" in network.notes
    with torch.no_grad():
        torch.testing.assert_close(network.forward(IMAGES, ["fc"])["fc"], module(IMAGES), rtol=1e-2, atol=1e-2)


LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet"])
def test_a_light_network_of_onnx_gives_what_onnx_runtime_gives_in_every_layer(name: str) -> None:
    path = LIGHT / f"light_{name}.onnx"
    network = load_network(path, mean=[0])
    image = torch.randn(1, *network.input_shape, generator=torch.Generator().manual_seed(0)) / 100
    wanted = by_onnx_runtime(path, image.numpy(), every=True)
    layers = [layer for layer, each in network.layers.items() if layer in wanted and each.kind != "softmax"]
    assert len(layers) > 60
    for layer, found in network.forward(image, layers).items():
        scale = float(np.abs(wanted[layer]).max()) + 1e-12
        np.testing.assert_allclose(found.numpy() / scale, wanted[layer] / scale, atol=1e-4, err_msg=layer)


def test_pictures_with_channels_last_are_a_network_with_channels_first(tmp_path: Path) -> None:
    weight, bias = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32), np.zeros(4, np.float32)
    nodes = [
        node("Transpose", "image", output="model/turned", perm=[0, 3, 1, 2]),
        node("Conv", "model/turned", "w", "b", output="model/conv/Conv2D:0", pads=[0, 0, 1, 1]),
        node("Relu", "model/conv/Conv2D:0", output="model/relu/Relu:0"),
        node("Transpose", "model/relu/Relu:0", output="y", perm=[0, 2, 3, 1]),
    ]
    model = model_of(nodes, {"w": weight, "b": bias}, ("n", 16, 20, 3))
    network = load_network(saved(model, tmp_path / "net.onnx"), mean=[0])
    assert network.input_shape == (3, 16, 20)
    x = torch.randn(2, 3, 16, 20)
    wanted = by_onnx_runtime(model, x.permute(0, 2, 3, 1).contiguous().numpy())["y"]
    name = next(name for name, layer in network.layers.items() if layer.rectifier)
    np.testing.assert_allclose(network.forward(x, [name])[name].permute(0, 2, 3, 1).numpy(), wanted, atol=1e-5)
    rect = network.receptive_field(name, (4, 5))
    assert (rect.bottom - rect.top, rect.right - rect.left) == (3, 3)


def test_a_quantised_network_runs_in_float_and_knows_its_rectifiers(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    weight = dice.integers(-100, 100, (4, 3, 3, 3)).astype(np.int8)
    constants = {"w": weight, "ws": dice.uniform(0.005, 0.02, 4).astype(np.float32), "wz": np.zeros(4, np.int8),
                 "s": np.float32(0.05), "z": np.uint8(0)}  # fmt: skip
    nodes = [
        node("DequantizeLinear", "w", "ws", "wz", output="wf", axis=0),
        node("Conv", "image", "wf", output="conv"),
        node("QuantizeLinear", "conv", "s", "z", output="q"),
        node("DequantizeLinear", "q", "s", "z"),
    ]
    model = model_of(nodes, constants)
    network = load_network(saved(model, tmp_path / "net.onnx"), mean=[0])
    assert any("quantised" in note for note in network.notes)
    x = torch.randn(2, 3, 8, 8)
    wanted = by_onnx_runtime(model, x.numpy())["y"]
    np.testing.assert_allclose(network.forward(x, [last(network)])[last(network)].numpy(), wanted, atol=0.026)
    assert network.layers[last(network)].kind == "clipped_relu"


@pytest.mark.parametrize("per_channel", [True, False])
def test_what_onnx_runtime_has_quantised_gives_nearly_what_it_gives_there(per_channel: bool, tmp_path: Path) -> None:
    from onnxruntime.quantization import QuantType

    exported(made("residual"), tmp_path / "net.onnx")
    kinds = {"activation_type": QuantType.QUInt8 if per_channel else QuantType.QInt8, "weight_type": QuantType.QInt8}
    images = [IMAGES.numpy() for _ in range(2)]
    quantised(tmp_path / "net.onnx", tmp_path / "int8.onnx", images, per_channel=per_channel, **kinds)
    network = load_network(tmp_path / "int8.onnx", mean=[0])
    wanted = by_onnx_runtime(tmp_path / "int8.onnx", IMAGES.numpy())["result"]
    found = network.forward(IMAGES, [last(network)])[last(network)].numpy()
    np.testing.assert_allclose(found, wanted, atol=0.02 * float(np.abs(wanted).max()))
    assert [name for name, layer in network.layers.items() if layer.rectifier][:3] == ["relu", "relu_1", "relu_2"]


def test_a_shape_that_hides_the_batch_is_run_one_picture_at_a_time(tmp_path: Path) -> None:
    nodes = [node("Reshape", "image", "rows", output="row"), node("Softmax", "row", axis=0)]
    model = model_of(nodes, {"rows": ints(192, 1)}, (1, 3, 8, 8))
    network = load_network(saved(model, tmp_path / "net.onnx"), mean=[0])
    assert any("one picture at a time" in note for note in network.notes) or not network.layers.keys() - {"data"}
