"""Files of added layers, read and refused: `.npz` as NumPy writes it, `.safetensors` as others do."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepvis_toolbox import ToolboxError, load_network
from deepvis_toolbox.network.added_layers import AddedLayer
from deepvis_toolbox.opening.added_layer_file import given_layer, read_added_layer, write_added_layer
from tests.nets import Classic, opened

MATRIX = np.random.RandomState(0).randn(3, 8).astype(np.float32)
SAID = {"layer": "relu2", "name": "own", "encoder": "topk:2", "names": ["a", "b", "c"]}


def safetensors(tensors: dict[str, tuple[str, bytes, list[int]]], **metadata: str) -> bytes:
    """A file, as the format's own page describes it."""
    table: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    values = b""
    for name, (kind, content, shape) in tensors.items():
        table[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(values), len(values) + len(content)]}
        values += content
    text = json.dumps(table).encode()
    return struct.pack("<Q", len(text)) + text + values


def of_matrix(kind: str, values: np.ndarray, **metadata: str) -> bytes:
    return safetensors({"directions": (kind, values.tobytes(), list(values.shape))}, **metadata)


def test_a_npz_is_read_with_all_that_it_says(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, directions=MATRIX.astype(np.float64), bias=np.arange(3), **SAID)
    found = read_added_layer(path)
    assert (found.layer, found.name, found.encoder, found.unit_names) == ("relu2", "own", "topk:2", ("a", "b", "c"))
    assert np.array_equal(found.directions, MATRIX)
    assert found.directions.dtype == np.float32
    assert found.bias is not None
    assert found.bias.tolist() == [0, 1, 2]


def test_what_is_written_is_read_again_and_has_the_same_bytes(tmp_path: Path) -> None:
    added = AddedLayer("relu2", "own", MATRIX, np.ones(3), "relu", ["a", "b", "c"])
    write_added_layer(tmp_path / "a.npz", added, {"decoder": MATRIX})
    write_added_layer(tmp_path / "b.npz", added, {"decoder": MATRIX})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    found = read_added_layer(tmp_path / "a.npz")
    assert np.array_equal(found.directions, MATRIX)
    assert (found.layer, found.name, found.encoder, found.unit_names) == ("relu2", "own", "relu", ("a", "b", "c"))


KINDS: dict[str, Callable[[], tuple[np.ndarray, float]]] = {
    "F64": lambda: (MATRIX.astype(np.float64), 0),
    "F32": lambda: (MATRIX, 0),
    "F16": lambda: (MATRIX.astype(np.float16), 2e-3),
    "BF16": lambda: (torch.from_numpy(MATRIX).bfloat16().view(torch.int16).numpy(), 2e-2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_safetensors_file_is_read_whatever_its_floats_are(kind: str, tmp_path: Path) -> None:
    values, tolerance = KINDS[kind]()
    path = tmp_path / "x.safetensors"
    path.write_bytes(of_matrix(kind, values, layer="relu2", encoder="relu", names='["a","b","c"]'))
    found = read_added_layer(path)
    assert np.allclose(found.directions, MATRIX, atol=tolerance, rtol=tolerance)
    assert (found.layer, found.name, found.encoder, found.unit_names) == ("relu2", "x", "relu", ("a", "b", "c"))


def test_where_it_goes_may_be_written_before_the_file(tmp_path: Path) -> None:
    layers = opened(Classic().eval()).layers
    path = tmp_path / "my file=1.npz"
    np.savez(path, directions=MATRIX, layer="fc")
    assert given_layer(str(path), layers).layer == "fc"
    assert given_layer(str(path), layers).name == "my_file_1"
    assert given_layer(f"relu2={path}", layers).layer == "relu2"
    found = given_layer(f"relu2/concepts={path}", layers)
    assert (found.layer, found.name) == ("relu2", "concepts")


def _npz(**arrays: Any) -> Callable[[Path], None]:
    return lambda path: np.savez(path.with_suffix(".npz"), **arrays)


def _bytes(content: bytes, suffix: str = ".safetensors") -> Callable[[Path], None]:
    return lambda path: path.with_suffix(suffix).write_bytes(content) and None


WHOLE = of_matrix("F32", MATRIX, layer="relu2")
REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "no directions": (_npz(layer="relu2"), 'has no array "directions"'),
    "no layer": (_npz(directions=MATRIX), "does not say which layer it is for; write it before the file: LAYER="),
    "objects": (_npz(directions=np.array([[{}]]), layer="relu2"), "holds objects"),
    "names as one text": (_npz(directions=MATRIX, layer="relu2", names="abc"), '"names" is not one text for each unit'),
    "a layer that is a number": (_npz(directions=MATRIX, layer=3), '"layer" is not one text'),
    "a layer of no characters": (
        _npz(directions=MATRIX, layer=np.array(0x110000, np.uint32).view("U1")),
        '"layer" is damaged: it holds what is no character',
    ),
    "an encoder of some": (
        _npz(directions=MATRIX, layer="relu2", encoder=np.array([114, 0x7FFFFFFF], np.uint32).view("U2").reshape(())),
        '"encoder" is damaged: it holds what is no character',
    ),
    "packed": (
        lambda path: np.savez_compressed(path.with_suffix(".npz"), directions=np.zeros((99, 99)), layer="relu2"),
        "not stored as it is, as numpy.savez does it",
    ),
    "no zip": (_bytes(b"hello", ".npz"), "damaged or missing"),
    "another ending": (_bytes(b"hello", ".pt"), "such a file ends in .npz or .safetensors"),
    "an empty file": (_bytes(b""), "no safetensors file that can be read"),
    "a table longer than the file": (_bytes(struct.pack("<Q", 1000) + b"{}"), "its table is cut off"),
    "a table of terabytes": (_bytes(struct.pack("<Q", 1 << 40) + b"{}"), "larger than 16 MiB"),
    "a table that is a list": (_bytes(struct.pack("<Q", 2) + b"[]"), "its table is none"),
    "values cut off": (_bytes(WHOLE[:-4]), "a tensor is cut off"),
    "a shape of another size": (_bytes(WHOLE.replace(b"[3, 8]", b"[3, 9]")), "a tensor is cut off"),
    "a negative place": (_bytes(WHOLE.replace(b"[0, 96]", b"[-1,96]", 1)), "no safetensors file"),
    "whole numbers": (_bytes(of_matrix("I64", MATRIX.astype(np.int64), layer="relu2")), "I64 numbers, not one of F64"),
    "names that are no list": (_bytes(of_matrix("F32", MATRIX, layer="a", names="{}")), '"names" is not a JSON list'),
    "NaN": (_bytes(of_matrix("F32", MATRIX * np.nan, layer="relu2")), "holds NaN"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_that_is_wrong_is_refused_in_a_sentence(what: str, tmp_path: Path) -> None:
    write, sentence = REFUSED[what]
    write(tmp_path / "x")
    (path,) = tmp_path.iterdir()
    with pytest.raises(ToolboxError, match=sentence) as refusal:
        read_added_layer(path)
    assert "x." in str(refusal.value)


MODULE = """
import torch
from tests.nets import Classic

def make():
    torch.manual_seed(0)
    return Classic()
"""


def _model(folder: Path, added: str, module: str) -> Path:
    (folder / f"{module}.py").write_text(MODULE)
    (folder / "model.yaml").write_text(f"factory: {module}:make\ninput: {{size: 32}}\nadded_layers: {added}\n")
    np.savez(folder / "own.npz", directions=MATRIX, layer="relu2", names=["a", "b", "c"])
    return folder / "model.yaml"


def test_a_model_yaml_names_added_layers(tmp_path: Path) -> None:
    path = _model(tmp_path, "[own.npz, {file: own.npz, name: again, layer: conv2}]", "with_added")
    with load_network(path, trust=True, added_layers=[f"fc/third={_fc(tmp_path)}"]) as net:
        assert [name for name in net.layers if "/" in name] == ["conv2/again", "relu2/own", "fc/third"]


def _fc(folder: Path) -> Path:
    np.savez(folder / "fc.npz", directions=np.ones((2, 10)))
    return folder / "fc.npz"


def test_mistakes_in_a_model_yaml_are_told_with_their_line(tmp_path: Path) -> None:
    path = _model(tmp_path, "[{file: gone.npz}]", "with_mistakes")
    with pytest.raises(ToolboxError, match=r"model\.yaml:3.*gone\.npz is not there"):
        load_network(path, trust=True)
    path = _model(tmp_path, "[../own.npz]", "with_mistakes")
    path.write_text(path.read_text().replace("factory: with_mistakes:make", "factory: torchvision:alexnet"))
    with pytest.raises(ToolboxError, match=r"model\.yaml:3: \.\./own\.npz leads out of the model's folder"):
        load_network(path)


def test_commands_hand_the_flag_on() -> None:
    from deepvis_toolbox.command_line.opened_network import loading_options, options_of_another, written_flags
    from deepvis_toolbox.scan.cli.scan_command import parser

    given = parser().parse_args(["--images", "p", "--out", "o", "--add-layer", "a.npz", "--add-layer", "fc/b=c.npz"])
    here = Path.cwd()
    assert loading_options(given)["added_layers"] == [str(here / "a.npz"), f"fc/b={here / 'c.npz'}"]
    assert "added_layers" not in options_of_another(given)
    assert written_flags(given) == (("--add-layer", "a.npz"), ("--add-layer", "fc/b=c.npz"))


def test_real_caffe_refuses_them() -> None:
    from deepvis_toolbox.network.interface import Network

    class Other(Network):
        engine = "caffe"

    Other.__abstractmethods__ = frozenset()
    with pytest.raises(ToolboxError, match='"caffe" takes no added layers'):
        Other().add_layers([AddedLayer("relu2", "own", MATRIX)])
