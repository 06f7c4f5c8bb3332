"""State dicts of tensors that are no plain arrays, and dictionaries that are none: one sentence, at once."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.opening import efficientnet_lite
from deepvis_toolbox.opening.weights_file import fill, read_state_dict

WEIGHT = torch.arange(16.0).reshape(4, 4)


def circle() -> dict[str, Any]:
    around: dict[str, Any] = {"0.weight": WEIGHT}
    around["state_dict"] = {"model": around}
    return around


def nested(depth: int) -> dict[str, Any]:
    content: dict[str, Any] = {"0.weight": WEIGHT}
    for _ in range(depth):
        content = {"model": content}
    return content


ODD = {
    "meta": torch.empty(4, 4, device="meta"),
    "sparse": WEIGHT.to_sparse(),
    "sparse rows": WEIGHT.to_sparse_csr(),
    "quantized": torch.quantize_per_tensor(WEIGHT, 0.1, 0, torch.qint8),
    "nested": torch.nested.nested_tensor([torch.ones(4), torch.ones(3)]),
    "float4": torch.zeros(4, 4, dtype=torch.uint8).view(torch.float4_e2m1fn_x2),
    "without axes": torch.tensor(1.0),
    "empty": torch.empty(0, 4),
    "complex": WEIGHT * 1j,
    "huge, of one stored value": torch.zeros(1).expand(1 << 20, 1 << 14),
}


def opened(content: object, folder: Path) -> nn.Module:
    torch.save(content, folder / "w.pt")
    module = nn.Sequential(nn.Linear(4, 4, bias=False))
    fill(module, read_state_dict(folder / "w.pt"), "w.pt")
    return module


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ODD)
def test_a_tensor_that_is_no_plain_array_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ToolboxError, match="does not fit the network"):
        opened({"0.weight": ODD[kind]}, tmp_path)


@pytest.mark.parametrize("content", [
    {}, {0: WEIGHT}, {("a",): WEIGHT}, {"0.weight": WEIGHT, 3: WEIGHT}, [WEIGHT], WEIGHT, None, {"a": "x"}, circle(),
    nested(50),
], ids=["empty", "number", "pair", "mixed", "list", "tensor", "nothing", "text", "circle", "deep"])  # fmt: skip
def test_what_is_no_state_dict_is_refused(content: object, tmp_path: Path) -> None:
    with pytest.raises(ToolboxError, match="holds no state dict"):
        opened(content, tmp_path)


def test_a_float8_weight_and_a_wrapped_one_are_taken(tmp_path: Path) -> None:
    module = opened({"state_dict": {"model": {"0.weight": WEIGHT.to(torch.float8_e4m3fn)}}}, tmp_path)
    assert torch.equal(module[0].weight, WEIGHT)


def test_the_default_weights_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray(efficientnet_lite._weights_file(efficientnet_lite.LITE0).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "other.pth").write_bytes(content)
    monkeypatch.setattr(efficientnet_lite, "_weights_file", lambda _: tmp_path / "other.pth")
    with pytest.raises(ToolboxError, match=r"other\.pth is not the file that was published"):
        efficientnet_lite.efficientnet_lite0()


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("claimed", [None, 1 << 20, 1 << 40])
def test_a_storage_is_no_larger_than_its_file(claimed: int | None, is_zip: bool, tmp_path: Path) -> None:
    path, count = tmp_path / "w.pt", 70_000
    state = {"a": torch.arange(float(count)), "b": torch.ones(3, 5)[1:]}
    torch.save(state, path, _use_new_zipfile_serialization=is_zip)
    if claimed is None:
        found = read_state_dict(path)
        assert all(torch.equal(found[name], state[name]) for name in state)
        return
    written, instead = b"J" + struct.pack("<i", count), b"\x8a\x06" + claimed.to_bytes(6, "little")
    if is_zip:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content.replace(written, instead, 1) if name.endswith("data.pkl") else content)
    else:
        path.write_bytes(path.read_bytes().replace(written, instead, 1))
    told = (
        "it says that it holds 4194304 bytes in one piece" if claimed == 1 << 20 and not is_zip else "it is broken, or"
    )
    with pytest.raises(ToolboxError, match=told) as refusal:
        read_state_dict(path)
    assert refusal.value.__context__ is None, "what torch says of it, such as a lack of memory, is none of its reasons"
