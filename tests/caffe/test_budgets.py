"""Caffe files made to take all memory or time: refused from their sizes, at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from deepvis_toolbox.caffe import budget, wire
from deepvis_toolbox.caffe.graph import graph_of
from deepvis_toolbox.caffe.prototxt import read_prototxt
from deepvis_toolbox.caffe.weights import open_weights
from deepvis_toolbox.errors import ToolboxError


def definition(folder: Path, side: int, fields: str, kind: str = "Convolution") -> Path:
    path = folder / "deploy.prototxt"
    path.write_text(
        f'input: "data" input_shape {{ dim: 1 dim: 3 dim: {side} dim: {side} }}\n'
        f'layer {{ name: "here" type: "{kind}" bottom: "data" top: "out" convolution_param {{ {fields} }} }}'
    )
    return path


@pytest.mark.parametrize(("side", "fields", "kind"), [
    (8, "num_output: 1 kernel_size: 3 pad: 1000000 stride: 1000000", "Convolution"),  # the padded input
    (8000, "num_output: 1 kernel_size: 101 pad: 50", "Convolution"),  # the columns
    (2000, "num_output: 1 kernel_size: 301 pad: 150", "Deconvolution"),
])  # fmt: skip
def test_padding_and_columns_count_as_memory(side: int, fields: str, kind: str, tmp_path: Path) -> None:
    with pytest.raises(ToolboxError, match=r'deploy\.prototxt: the network needs about .* GiB .* layer "here"'):
        graph_of(read_prototxt(definition(tmp_path, side, fields, kind)))


def test_the_memory_is_compared_with_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = definition(tmp_path, 64, "num_output: 8 kernel_size: 3")
    monkeypatch.setattr(budget, "free_memory", lambda: 100_000)
    with pytest.raises(ToolboxError, match="GiB are free"):
        graph_of(read_prototxt(path))
    monkeypatch.setattr(budget, "free_memory", lambda: 10_000_000)
    with pytest.raises(ToolboxError, match="no weights file"):
        graph_of(read_prototxt(path))


def test_a_network_that_would_take_hours_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "free_memory", lambda: 1 << 50)
    path = definition(tmp_path, 2000, "num_output: 64 kernel_size: 99 pad: 49")
    with pytest.raises(ToolboxError, match="multiplications for one image"):
        graph_of(read_prototxt(path))


def test_a_published_network_is_far_from_the_limit() -> None:
    assert budget.MAX_PRODUCTS > 50 * 15_500_000_000  # VGG-16


def varint(number: int) -> bytes:
    written = b""
    while number > 127:
        written, number = written + bytes([number & 127 | 128]), number >> 7
    return written + bytes([number])


def inside(key: bytes, content: bytes) -> bytes:
    return key + varint(len(content)) + content


MANY = 10_000


@pytest.mark.parametrize("content", [
    b"\x08\x01" * MANY,
    inside(b"\xa2\x06", b"\x08\x01" * MANY),
    inside(b"\xa2\x06", inside(b"\x3a", b"\x20\x01" * MANY)),
    inside(b"\xa2\x06", b"\x0a\x01a" + b"\x3a\x00" * MANY),
    inside(b"\xa2\x06", b"\x08\x01" * 50) * (MANY // 50),
], ids=["in the network", "in a layer", "in a blob", "blobs", "in many layers"])  # fmt: skip
def test_a_file_of_very_many_small_fields_is_refused(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MOST_FIELDS", MANY // 2)
    path = tmp_path / "w.caffemodel"
    path.write_bytes(content)
    with pytest.raises(ToolboxError, match="more than 5000 fields"):
        open_weights(path)


def compressed(data: h5py.Group) -> None:
    data.create_dataset("c/0", data=np.zeros(1 << 20, np.float32), compression="gzip")


def empty_and_huge(data: h5py.Group) -> None:
    data.create_dataset("c/0", shape=(1 << 40,), dtype="f4")


def huge_pieces(data: h5py.Group) -> None:
    data.create_dataset("c/0", shape=(10,), maxshape=(None,), chunks=(1 << 29,), dtype="f4")


def elsewhere(data: h5py.Group) -> None:
    data["c"] = h5py.ExternalLink("other.h5", "/data/c")


def virtual(data: h5py.Group) -> None:
    layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
    layout[:] = h5py.VirtualSource("other.h5", "data/c/0", shape=(4,))
    data.create_virtual_dataset("c/0", layout)


def many(data: h5py.Group) -> None:
    for number in range(60):
        data.create_group(f"layer{number}")


@pytest.mark.parametrize(("make", "said"), [
    (compressed, "compressed or in pieces"), (empty_and_huge, "missing from the file"),
    (huge_pieces, "compressed or in pieces"), (elsewhere, "links to another place"),
    (virtual, "is not an array of float or double in the file"), (many, "holds 60 groups"),
])  # fmt: skip
def test_hdf5_that_caffe_does_not_write_is_refused(
    make: Callable[[h5py.Group], None], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepvis_toolbox.caffe.hdf5_weights.MAX_LAYERS", 50)
    with h5py.File(tmp_path / "w.h5", "w") as file:
        make(file.create_group("data"))
    with pytest.raises(ToolboxError, match=said):
        open_weights(tmp_path / "w.h5")
