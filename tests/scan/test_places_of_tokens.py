"""Places of tokens: where a scan finds them, what crops show of them, and what scans without them still give."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.scan.merging import merge
from deepvis_toolbox.scan.patches.patch_store import PatchOptions, info_path, write_patches
from deepvis_toolbox.scan.patches.patches import PatchMaker, entries_of
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.layer import Rect
from deepvis_toolbox.words.unit import Unit
from find_maxes import TopImages, scan
from tests.nets import opened
from tests.transformers import VisionTransformer
from tests.windowed import Swin

SIZE, OTHERS, COLUMNS = (32, 64), 2, 8
MLP, EARLY = "blocks.1.mlp.1", "blocks.0.norm1"
"""A layer behind attention, and one before it."""


@pytest.fixture(scope="module")
def module() -> nn.Module:
    torch.manual_seed(4)
    return VisionTransformer(SIZE, others=OTHERS).eval()


@pytest.fixture(scope="module")
def net(module: nn.Module) -> TorchNetwork:
    return opened(module, SIZE)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, dice = tmp_path_factory.mktemp("pictures"), np.random.default_rng(2)
    for number in range(7):
        coarse = dice.integers(0, 256, (4, 8, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC))
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def result(net: TorchNetwork, pictures: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("result") / "maxes"
    scan(net, pictures, layers=[EARLY, MLP, "blocks.0.attn.q", "head"], top=5, bottom=True, out=folder, batch_size=3,
         workers=0)  # fmt: skip
    return folder


def read(net: TorchNetwork, path: Path) -> torch.Tensor:
    return net.preprocess(cv2.imread(str(path))[..., ::-1])


def test_a_tokens_place_is_where_the_module_has_its_largest_value(net, module, pictures, result) -> None:
    seen: dict[str, list[torch.Tensor]] = {EARLY: [], MLP: []}
    hooks = [
        module.get_submodule(name).register_forward_hook(lambda _, __, value, name=name: seen[name].append(value))
        for name in seen
    ]
    with torch.no_grad():
        for path in pictures:
            module(read(net, path))
    for hook in hooks:
        hook.remove()
    top, others = TopImages.load(result), 0
    for name, given in seen.items():
        values = torch.cat(given)  # (pictures, tokens, units)
        for side, sign in ((top, 1), (top.bottom, -1)):
            tokens = (sign * values).argmax(1) - OTHERS
            for unit in range(values.shape[2]):
                for picture, place in zip(side.images[name][unit], side.places[name][unit].tolist(), strict=True):
                    token = int(tokens[picture, unit])
                    assert place == ([-1, -1] if token < 0 else list(divmod(token, COLUMNS))), (name, unit, picture)
                    others += token < 0
    assert others > 20  # class tokens and registers were there too
    assert (top.places["head"] == -1).all()
    assert (top.places["blocks.0.attn.q"].max((0, 1)) == (3, 7)).all()


def test_a_token_before_attention_is_cut_to_its_patch_and_one_behind_shows_all_with_its_place(
    net, pictures, result
) -> None:
    top = TopImages.load(result)
    seen = {EARLY: 0, MLP: 0}
    for layer in seen:
        for unit in range(6):
            for patch in PatchMaker(net, top).patches(entries_of(top, Unit(layer, unit), 5)):
                place = patch.entry.unit.place
                picture = cv2.imread(str(pictures[patch.entry.picture]))[..., ::-1]
                assert not patch.problem
                assert patch.recomputed == pytest.approx(patch.entry.value, rel=1e-4, abs=1e-5)
                if place is None:
                    assert (patch.mark, patch.rect) == (None, (0, 0, *SIZE))
                    continue
                cell = Rect(8 * place[0], 8 * place[1], 8 * place[0] + 8, 8 * place[1] + 8)
                part = picture[cell.top : cell.bottom, cell.left : cell.right]
                if layer == EARLY:
                    assert (patch.rect, patch.mark) == (cell, None)
                    np.testing.assert_array_equal(patch.image, part)
                else:
                    assert (patch.rect, patch.mark) == ((0, 0, *SIZE), cell)
                    np.testing.assert_array_equal(patch.image, picture)
                seen[layer] += 1
    assert min(seen.values()) > 5


def test_the_place_is_framed_in_the_montage_and_written_down(net, pictures, result, tmp_path) -> None:
    top, store = TopImages.load(result), UnitImageStore(tmp_path)
    unit = next(
        Unit(MLP, number) for number in range(48) if top.places[MLP][number, 0].min() >= 0
        and top.places[MLP][number, 0].max() < 3 and top.places[MLP][number, 0].min() > 0
    )  # fmt: skip
    assert not write_patches(net, top, [unit], store, PatchOptions(singles=True)).problems
    row, column = top.places[MLP][unit.channel, 0].tolist()
    assert json.loads(info_path(store, unit).read_text().splitlines()[0])["place"] == [row, column]
    wanted = cv2.imread(str(pictures[top.images[MLP][unit.channel, 0]]))
    inside = wanted[8 * row : 8 * row + 8, 8 * column : 8 * column + 8].copy()
    for width, colour in ((2, 0), (1, 255), (0, inside)):
        wanted[8 * row - width : 8 * row + 8 + width, 8 * column - width : 8 * column + 8 + width] = colour
    np.testing.assert_array_equal(cv2.imread(str(store.singles("max_im", unit)[0])), wanted)
    montage = cv2.imread(str(store.montage_path("max_im", unit)))[: SIZE[0], : SIZE[1]].astype(int)
    assert np.abs(montage - wanted).mean() < 20  # the same, but for what JPEG leaves out


def as_older_versions_wrote(result: Path, folder: Path) -> Path:
    """A copy of the result that keeps no places of tokens."""
    shutil.copytree(result, folder)
    record = json.loads((folder / "manifest.json").read_text())
    for layer in record["identity"]["layers"]:
        layer.pop("grid", None)
    (folder / "manifest.json").write_text(json.dumps(record))
    with np.load(folder / "top_images.npz") as file:
        arrays = {name: np.full_like(a, -1) if name.endswith(".places") else a for name, a in file.items()}
    np.savez(folder / "top_images.npz", **arrays)
    return folder


def test_scans_that_kept_no_places_of_tokens_are_read_and_cut_and_merged(net, pictures, result, tmp_path) -> None:
    old = as_older_versions_wrote(result, tmp_path / "old")
    top, now = TopImages.load(old), TopImages.load(result)
    assert (top.places[MLP] == -1).all()
    np.testing.assert_array_equal(top.images[MLP], now.images[MLP])
    patches = list(PatchMaker(net, top).patches(entries_of(top, Unit(MLP, 3), 5)))
    assert [patch.rect for patch in patches] == [(0, 0, *SIZE)] * 5
    assert not any(patch.problem or patch.mark for patch in patches)
    wanted = list(PatchMaker(net, now).patches(entries_of(now, Unit(MLP, 3), 5)))
    for patch, new in zip(patches, wanted, strict=True):
        np.testing.assert_array_equal(patch.gradients["deconv"], new.gradients["deconv"])  # from the same token
    assert (merge([old], tmp_path / "merged").places[MLP] == -1).all()
    before = {path: path.stat().st_mtime_ns for path in old.iterdir()}
    layers = [EARLY, MLP, "blocks.0.attn.q", "head"]
    again = scan(net, pictures, layers=layers, top=5, bottom=True, out=old, batch_size=3, workers=0)
    assert (again.places[MLP] == -1).all()
    assert {path: path.stat().st_mtime_ns for path in old.iterdir()} == before


def test_a_scan_that_an_older_version_began_is_ended_as_it_was_begun(net, pictures, result, tmp_path) -> None:
    layers: dict[str, Any] = {"layers": [EARLY, MLP, "blocks.0.attn.q", "head"], "top": 5, "bottom": True}
    parts = [tmp_path / "0", tmp_path / "1"]
    scan(net, pictures, **layers, out=parts[0], batch_size=3, workers=0, shard=(0, 2))
    old = as_older_versions_wrote(parts[0], tmp_path / "old")
    found = scan(net, pictures, **layers, out=old, batch_size=3, workers=0)
    assert found.is_complete
    assert (found.places[MLP] == -1).all()
    np.testing.assert_array_equal(found.images[MLP], TopImages.load(result).images[MLP])
    scan(net, pictures, **layers, out=parts[1], batch_size=3, workers=0, shard=(1, 2))
    with pytest.raises(ToolboxError, match="layers"):
        merge([parts[1], as_older_versions_wrote(parts[0], tmp_path / "older")], tmp_path / "mixed")
    np.testing.assert_array_equal(merge(parts, tmp_path / "whole").places[MLP], TopImages.load(result).places[MLP])


@pytest.mark.parametrize("grid", [[4, 9], [0, 8], [4], "4", [4, 8, 1], [2**40, 1], 7])
def test_a_grid_that_is_none_of_the_tokens_is_refused(result, tmp_path, grid: Any) -> None:
    shutil.copytree(result, tmp_path / "maxes")
    record = json.loads((tmp_path / "maxes" / "manifest.json").read_text())
    record["identity"]["layers"][1]["grid"] = grid
    (tmp_path / "maxes" / "manifest.json").write_text(json.dumps(record))
    with pytest.raises(ToolboxError, match=r"manifest\.json.*layers") as error:
        TopImages.load(tmp_path / "maxes")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("place", [32, -2, 2**31 - 1])
def test_a_place_that_no_token_has_is_refused(result, tmp_path, place: int) -> None:
    shutil.copytree(result, tmp_path / "maxes")
    with np.load(result / "top_images.npz") as file:
        arrays = dict(file)
    arrays["top.places"][30, 0] = place
    np.savez(tmp_path / "maxes" / "top_images.npz", **arrays)
    with pytest.raises(ToolboxError, match="the places cannot be right"):
        TopImages.load(tmp_path / "maxes")


def touched(network: TorchNetwork, layer: str, place: tuple[int, int]) -> tuple[int, int, int, int]:
    """The rectangle of input pixels with a gradient, by plain autograd over the network's own module of the layer."""
    x = torch.randn(4, *network.input_shape, generator=torch.Generator().manual_seed(0))
    described = network.layers[layer]
    diff = torch.zeros(4, *described.shape)
    where = (slice(None), described.flat_place(*place)) if described.is_tokens else (slice(None), slice(None), *place)
    diff[where] = torch.randn(4, described.channels)
    found = network.backward(x, layer, diff)["data"].abs().amax((0, 1)) > 0
    rows, columns = found.any(1).nonzero().flatten(), found.any(0).nonzero().flatten()
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


class Mixer(nn.Module):
    """Overlapping patches, an MLP over each token's values, then one over tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 7, 4, 3), nn.LayerNorm(8)
        self.own, self.across, self.fc = nn.Linear(8, 8), nn.Linear(128, 128), nn.Linear(8, 5)
        self.scale = nn.Parameter(torch.rand(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).flatten(2).mT
        x = x + self.scale * torch.relu(self.own(self.norm(x)))
        x = x + self.across(x.mT).mT
        return self.fc(x.mean(1))


@pytest.mark.parametrize("way", ["fx", "export"])
@pytest.mark.parametrize(
    ("make", "apart"),
    [
        (lambda: VisionTransformer(SIZE, others=OTHERS), {"patches", "norm1", "qkv", "q", "k", "v", "add"}),
        (Mixer, {"stem", "norm", "own"}),
        (lambda: Swin(SIZE), {"patch_embed", "norm1", "qkv", "q", "k", "v"}),
    ],
)
def test_a_token_sees_its_patch_until_tokens_are_mixed_and_then_everything(make, apart, way) -> None:
    torch.manual_seed(1)
    network = opened(make().eval(), SIZE, way)
    local = set()
    for layer in network.layers.values():
        if not layer.has_places or layer.tells_attention or layer.kind == "input":
            continue
        for place in ((0, 0), (1, 2), (layer.map_shape[0] - 1, layer.map_shape[1] - 1)):
            field = network.receptive_field(layer.name, place)
            inside = max(field.top, 0), max(field.left, 0), min(field.bottom, SIZE[0]), min(field.right, SIZE[1])
            seen = touched(network, layer.name, place)
            if inside == (0, 0, *SIZE):
                continue
            assert seen == inside, (layer.name, place)
            local.add(layer.name.rpartition(".")[2])
    assert local >= apart
