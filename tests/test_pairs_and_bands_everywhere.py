"""Lists of pairs, and pictures of many bands, through the window, a scan and its crops, against plain torch."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from deepvis_toolbox import ToolboxError, load_network, measure
from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.live import toolbox_command
from deepvis_toolbox.live.headless import HeadlessRun
from deepvis_toolbox.live.painter import Painter
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.scan.cli import crop_command, scan_command
from deepvis_toolbox.scan.scanning import scan
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions
from find_maxes import TopImages

MEAN, STD, WHITE = 100.0, 50.0, 8.0
COUNT, SIZE = 6, (24, 32)


def make_pair() -> nn.Module:
    return _PairNet()


def make_bands() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(5, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))


class _PairNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return self.fc((torch.relu(self.conv(left)) - 2 * torch.relu(self.conv(right))).mean((2, 3)))


def _input(pixels: NDArray[np.generic]) -> torch.Tensor:
    return torch.tensor(((pixels.astype(np.float32) - MEAN) / STD).transpose(2, 0, 1)[None])


@pytest.fixture(autouse=True)
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The models are the user's own, which may name what is installed."""
    monkeypatch.setenv("DEEPVIS_MODELS", f"{tmp_path.parent}{os.pathsep}{tmp_path}")


@pytest.fixture
def pairs(tmp_path: Path) -> tuple[Network, Path, torch.Tensor]:
    """The network of pairs, a list, and what plain torch gives for each pair."""
    (tmp_path / "model.yaml").write_text(
        f"factory: {__name__}:make_pair\n"
        f"input: {{size: [24, 32], mean: {MEAN}, std: {STD}}}\ninputs: {{right: image 2}}"
    )
    (tmp_path / "pictures").mkdir()
    lines, wanted, dice = [], [], np.random.default_rng(0)
    for number in range(COUNT):
        both = dice.integers(0, 256, (2, *SIZE, 3)).astype(np.uint8)
        names = [f"left {number}.png", f"right {number}.png"]
        for name, picture in zip(names, both, strict=True):
            cv2.imwrite(str(tmp_path / "pictures" / name), picture[..., ::-1])
        lines.append(" ".join(names))
        with torch.no_grad():
            wanted.append(make_pair().eval()(*map(_input, both))[0])
    (tmp_path / "pictures" / "pairs.txt").write_text("\n".join(lines))
    net = load_network(tmp_path, device="cpu", trust=True)
    return net, tmp_path / "pictures" / "pairs.txt", torch.stack(wanted)


@pytest.fixture
def bands(tmp_path: Path) -> tuple[Network, Path, torch.Tensor]:
    """A network of five bands, a folder of them as floats up to 8, and what plain torch gives."""
    (tmp_path / "model.yaml").write_text(
        f"factory: {__name__}:make_bands\n"
        f"input: {{size: [24, 32], channels: 1+RGB+1, mean: {MEAN}, std: {STD}, white: {WHITE}}}"
    )
    (tmp_path / "pictures").mkdir()
    wanted, dice = [], np.random.default_rng(0)
    for number in range(COUNT):
        picture = dice.uniform(0, WHITE, (*SIZE, 5)).astype(np.float32)
        np.save(tmp_path / "pictures" / f"{number}.npy", picture)
        with torch.no_grad():
            wanted.append(make_bands().eval()(_input(picture * (255 / WHITE)))[0])
    return load_network(tmp_path, device="cpu", trust=True), tmp_path / "pictures", torch.stack(wanted)


@pytest.mark.parametrize("kind", ["pairs", "bands"])
def test_the_window_shows_what_torch_gives(kind: str, request: pytest.FixtureRequest) -> None:
    net, images, wanted = request.getfixturevalue(kind)
    last = list(net.layers)[-1]
    seen: list[Snapshot] = []
    with open_source(str(images), SourceOptions(realtime=False)) as source:
        run = HeadlessRun(
            net, [source], Painter(), State(), (600, 400), lambda _, found: seen.append(found), f"{last}:1"
        )
        run.run(COUNT, ["wait", *["e"] * (COUNT - 1)])
    for number, snapshot in enumerate(seen):
        assert not snapshot.error
        maps = snapshot.answer(measure.LayerMaps(last))
        np.testing.assert_allclose(maps.maps, wanted[number], rtol=1e-4, atol=1e-5)
        assert snapshot.input_image.shape == (*SIZE, 3)
        assert snapshot.bands is not None
    assert len({snapshot.frame.source for snapshot in seen}) == COUNT
    shown = seen[-1].input_image
    given = seen[-1].bands[..., :3] if kind == "pairs" else seen[-1].bands[..., 1:4]
    np.testing.assert_allclose(shown, given, atol=1)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("kind", ["pairs", "bands"])
def test_a_scan_finds_the_best_and_its_crops_show_them(
    kind: str, workers: int, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net, images, wanted = request.getfixturevalue(kind)
    last, relu = list(net.layers)[-1], next(name for name in net.layers if net.layers[name].kind == "relu")
    top = scan(net, str(images), layers=[last, relu], top=3, out=tmp_path / "maxes", workers=workers, batch_size=4)
    np.testing.assert_array_equal(top.images[last], wanted.T.argsort(descending=True)[:, :3])
    np.testing.assert_allclose(top.values[last], wanted.T.sort(descending=True).values[:, :3], rtol=1e-4, atol=1e-5)
    model = ["--model", str(tmp_path), "--trust", str(tmp_path), "--device", "cpu"]
    command = [
        *model,
        "--maxes",
        str(tmp_path / "maxes"),
        "--units",
        f"{relu}:1",
        "--store",
        str(tmp_path / "made"),
        "-q",
    ]
    assert run_command(lambda: crop_command.main(command)) == 0, capsys.readouterr().err
    assert len(list((tmp_path / "made").rglob("*.jpg"))) >= 2
    listed = ["--images", str(images), "--layers", last, "--out", str(tmp_path / "again"), "--workers", "0", "-q"]
    assert run_command(lambda: scan_command.main([*model, *listed])) == 0, capsys.readouterr().err
    np.testing.assert_array_equal(TopImages.load(tmp_path / "again").images[last][:, :3], top.images[last])


def test_a_network_of_single_pictures_is_not_shown_half_of_a_pair(
    pairs: tuple[Network, Path, torch.Tensor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "model.yaml").write_text(
        f"factory: {__name__}:make_bands\ninput: {{size: 32, channels: RGB+2}}"
    )
    model = ["--model", str(tmp_path / "one"), "--trust", str(tmp_path / "one"), "--device", "cpu"]
    told = "the frame is a pair of pictures, or six bands; the network takes one picture, or bands for its 5 channels"
    shot = ["--headless", "--snapshot", str(tmp_path / "shot.png")]
    assert run_command(lambda: toolbox_command.main([*model, "--input", str(pairs[1]), *shot])) == 2
    assert told in capsys.readouterr().err
    out = ["--images", str(pairs[1]), "--out", str(tmp_path / "none"), "--layers", "0", "--workers", "0"]
    assert run_command(lambda: scan_command.main([*model, *out])) == 2
    assert told in capsys.readouterr().err


def test_floats_of_which_nobody_says_what_is_white_are_told(bands: tuple[Network, Path, torch.Tensor]) -> None:
    net = load_network(f"{__name__}:make_bands", device="cpu", input_size=SIZE, channels="1+RGB+1")
    with pytest.raises(
        ToolboxError, match=r"its bands are floats: say which value is white, as in white: 1 \(--white 1\)"
    ):
        measure.Session(net).take(np.load(bands[1] / "0.npy"), measure.LayerMaps("0"))
