"""Files that are broken, hostile, or more than a network for images end in one sentence that says where."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from deepvis_toolbox import ToolboxError, load_network
from deepvis_toolbox.command_line.values import onnx_file
from tests.nets import Residual
from tests.onnx_files.made_files import exported, model_of, saved
from tests.onnx_files.operator_cases import ints, node

WEIGHT = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)


def convolution(**metadata: str) -> onnx.ModelProto:
    nodes = [node("Conv", "image", "w", output="conv"), node("Relu", "conv")]
    return model_of(nodes, {"w": WEIGHT}, **metadata)


Change = Callable[[onnx.ModelProto], Any]


def _with_other_shape(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = 1 << 30


def _text(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_type = TensorProto.STRING


def _old(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 6


def _loop(model: onnx.ModelProto) -> None:
    model.graph.node.insert(1, node("NonMaxSuppression", "conv", output="boxes"))
    model.graph.node[2].input[0] = "boxes"


def _foreign(model: onnx.ModelProto) -> None:
    model.graph.node[1].domain = "com.somebody"


def _from_nowhere(model: onnx.ModelProto) -> None:
    model.graph.node[1].input[0] = "nothing"


def _two_images(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1, 3, 8, 9]))


def _no_image(model: onnx.ModelProto) -> None:
    del model.graph.input[0].type.tensor_type.shape.dim[2:]


def _much(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(ints(1 << 20, 1 << 20), "size"))
    model.graph.node.insert(0, node("ConstantOfShape", "size", output="much"))
    model.graph.node.append(node("Add", "y", "much", output="z"))
    model.graph.output[0].name = "z"


def _large_steps(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("pads", [1 << 19] * 4))


def _without_a_tensor(model: onnx.ModelProto) -> None:
    del model.graph.initializer[0]


def _a_branch_by_the_image(model: onnx.ModelProto) -> None:
    branch = helper.make_graph(
        [node("Relu", "conv", output="b")], "b", [], [helper.make_tensor_value_info("b", 1, None)]
    )
    model.graph.node[1].CopyFrom(helper.make_node("If", ["conv"], ["y"], then_branch=branch, else_branch=branch))


REFUSED: dict[str, tuple[Change, str]] = {
    "a shape larger than the bytes": (_with_other_shape, r'tensor "w" is stored in 432 bytes, and takes'),
    "text": (_text, 'tensor "w" holds text'),
    "an opset too old": (_old, "written for opset 6, and 7 is the oldest"),
    "an operator of detectors": (
        _loop,
        r'node "boxes" \(NonMaxSuppression\).* is not supported; --until LAYER .*up to conv',
    ),
    "an operator of another library": (_foreign, "operator Relu of com.somebody is not supported"),
    "a value from nowhere": (_from_nowhere, 'no node before it gives "nothing"'),
    "images of two sizes": (
        _two_images,
        r"takes images of different sizes \(image: a tensor of any×3×8×8; other: .*8×9\)",
    ),
    "no image": (_no_image, "takes image: a tensor of any×3"),
    "more constants than memory": (_much, "more than 1 GiB of its constants"),
    "more values than memory": (_large_steps, "more memory than is free"),
    "a tensor that is missing": (_without_a_tensor, 'no node before it gives "w"'),
    "a branch that the image chooses": (_a_branch_by_the_image, "which way it goes depends on the image"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_opened_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    change, told = REFUSED[name]
    model = convolution()
    change(model)
    with pytest.raises(ToolboxError, match=told) as caught:
        load_network(saved(model, tmp_path / "net.onnx"))
    assert "\n" not in str(caught.value)
    assert "net.onnx" in str(caught.value)


def test_no_files_of_onnx_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no network\n" * 50)
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "half.onnx").write_bytes(convolution().SerializeToString()[:-100])
    for name in ("text", "empty", "half"):
        with pytest.raises(ToolboxError, match=r"is no ONNX file"):
            load_network(tmp_path / f"{name}.onnx")
    with pytest.raises(ToolboxError, match=r"onnx file .*nowhere\.onnx is not there"):
        load_network(tmp_path / "nowhere.onnx")


def test_without_the_package_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(convolution(), tmp_path / "net.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ToolboxError, match=r"the package onnx, which reads such files, .*-m pip install onnx"):
        load_network(path)


def test_the_default_network_opens_without_it() -> None:
    import subprocess

    code = "import sys, deepvis_toolbox as d; d.load_network(); sys.exit('onnx' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).resolve().parents[2], check=False).returncode
        == 0
    )


def test_until_opens_what_lies_below_an_operator_that_is_not_supported(tmp_path: Path) -> None:
    model = convolution()
    _loop(model)
    path = saved(model, tmp_path / "net.onnx")
    assert list(load_network(path, until="conv").layers) == ["data", "conv"]
    with pytest.raises(ToolboxError, match=r'there is no layer "conc" to stop at.*"conv"'):
        load_network(path, until="conc")


def beside(location: str, **more: str) -> onnx.ModelProto:
    model = convolution()
    stored = model.graph.initializer[0]
    stored.ClearField("raw_data")
    stored.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        stored.external_data.add(key=key, value=value)
    return model


def test_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"x" * 8 + WEIGHT.tobytes())
    path = saved(beside("weights.bin", offset="8", length="432"), tmp_path / "net.onnx")
    images = torch.randn(2, 3, 8, 8)
    other = load_network(saved(convolution(), tmp_path / "whole.onnx"))
    found, wanted = (each.forward(images, ["conv"])["conv"] for each in (load_network(path), other))
    assert torch.equal(found, wanted)


@pytest.mark.parametrize(
    ("location", "more", "told"),
    [
        ("../weights.bin", {}, "no file below the folder"),
        ("/etc/passwd", {}, "no file below the folder"),
        ("", {}, "no file below the folder"),
        ("link.bin", {}, "reached through a link"),
        ("folder/weights.bin", {}, "reached through a link"),
        ("weights.bin", {"offset": "4"}, "beyond the end of weights.bin"),
        ("weights.bin", {"offset": "99999999999"}, "beyond the end of weights.bin"),
        ("weights.bin", {"offset": "-4"}, "a place that is no number"),
        ("weights.bin", {"length": "5"}, "stored in 5 bytes"),
        ("nowhere.bin", {}, "cannot be read"),
    ],
)
def test_weights_elsewhere_or_too_few_are_refused(location: str, more: Any, told: str, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(WEIGHT.tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(WEIGHT.tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
    (folder / "folder").symlink_to(tmp_path)
    with pytest.raises(ToolboxError, match=told):
        load_network(saved(beside(location, **more), folder / "net.onnx"))


def test_a_model_yaml_may_name_a_file_of_its_own_folder(tmp_path: Path) -> None:
    saved(convolution(), tmp_path / "net.onnx")
    description = tmp_path / "model.yaml"
    description.write_text("name: mine\nframework: onnx\nonnx: net.onnx\nuntil: conv\ninput: {mean: 120}\n")
    network = load_network(tmp_path)
    assert (network.name, list(network.layers)) == ("mine", ["data", "conv"])
    for text, told in {
        "framework: onnx\n": "has the keys framework: onnx, and onnx",
        "onnx: net.onnx\n": "has the keys framework: onnx, and onnx",
        "framework: onnx\nonnx: net.onnx\nweights: a.pth\n": "has its weights in it",
        "factory: a:b\nuntil: conv\n": "until is for ONNX files",
        "framework: onnx\nonnx: ../net.onnx\n": "leads out of the model's folder",
    }.items():
        description.write_text(text)
        with pytest.raises(ToolboxError, match=told):
            load_network(tmp_path)


def test_what_the_metadata_says_of_pixels_is_used_and_flags_come_first(tmp_path: Path) -> None:
    said = {"Image.NominalPixelRange": "Normalized_0_1", "Image.BitmapPixelFormat": "Bgr8", "names": "{0: 'a', 1: 'b'}"}
    path = saved(convolution(**said), tmp_path / "net.onnx")
    network = load_network(path)
    assert network.preprocessing.channels == "BGR"
    assert float(network.preprocessing.scale[0]) == pytest.approx(1 / 255)
    assert any("as the file's metadata says: scale 0.00392157, channels BGR" in note for note in network.notes)
    assert load_network(path, channels="RGB").preprocessing.channels == "RGB"
    path = saved(convolution(mean="[1, 2, 3]", std="4", scale="nonsense"), tmp_path / "net.onnx")
    assert [float(each) for each in load_network(path).preprocessing.mean] == [1, 2, 3]
    quiet, asked = load_network(path, mean=[0]), load_network(saved(convolution(), tmp_path / "net.onnx"))
    assert not any("does not say" in note for note in quiet.notes)
    assert any("the file does not say how pixels are prepared" in note for note in asked.notes)


@pytest.mark.parametrize("numbers", ["[" * 1900, "1" + "0" * 1500, "1e999", "NaN", "[[1]]", "true", "'", ""])
@pytest.mark.parametrize("names", ["[" * 5000, "-" * 5000 + "1", "{0: 'a', 1: 5}", "{[]: 1}", "1" * 5000, "\0", "f''"])
def test_metadata_that_is_nonsense_or_hostile_says_nothing(tmp_path: Path, numbers: str, names: str) -> None:
    path = saved(convolution(mean=numbers, std=numbers, scale=numbers, names=names), tmp_path / "net.onnx")
    network = load_network(path)
    assert not network.labels
    assert any("the file does not say how pixels are prepared" in note for note in network.notes)


def test_a_size_that_is_left_open_is_asked_for_and_another_one_is_tried(tmp_path: Path) -> None:
    nodes = [node("Conv", "image", "w", output="conv"), node("GlobalAveragePool", "conv")]
    path = saved(model_of(nodes, {"w": WEIGHT}, ("n", 3, "h", "w")), tmp_path / "open.onnx")
    with pytest.raises(ToolboxError, match="size is not known"):
        load_network(path)
    assert load_network(path, input_size=20).input_shape == (3, 20, 20)
    fixed = exported(Residual().eval(), tmp_path / "fixed.onnx")
    network = load_network(fixed, input_size=48)
    assert any("the file says that it takes images of 32×32" in note for note in network.notes)
    flat = saved(model_of([node("Reshape", "image", "s")], {"s": ints(1, 192)}, (1, 3, 8, 8)), tmp_path / "flat.onnx")
    with pytest.raises(ToolboxError, match=r"has no shape .*; the file says that it takes images of 8×8"):
        load_network(flat, input_size=9)


def test_the_flag_takes_files_that_are_called_so() -> None:
    assert onnx_file("a.onnx", "--onnx") == "a.onnx"
    with pytest.raises(ToolboxError, match="must be a file that is called"):
        onnx_file("a.pt", "--onnx")
