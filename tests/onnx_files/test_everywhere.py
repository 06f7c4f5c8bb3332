"""A network from an ONNX file works in the window, the optimizer, the scan, crops and the pipeline, as any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from deepvis_toolbox import AscentSettings, Edit, Unit, load_network, measure, preferred_images
from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.live import toolbox_command
from deepvis_toolbox.optimize.cli import optimize_command
from deepvis_toolbox.pipeline import pipeline_command
from deepvis_toolbox.scan.cli import scan_command
from find_maxes import TopImages
from tests.nets import Residual
from tests.onnx_files.made_files import exported
from tests.onnx_files.written_networks import Transformer

LAYERS = {"residual": (Residual, "relu_1", "fc"), "transformer": (Transformer, "blocks.0.mlp.1", "head")}


@pytest.fixture(params=LAYERS, scope="module")
def workplace(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A folder with the file and pictures; a layer inside, and the last one."""
    make, inside, last = LAYERS[request.param]
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp(request.param)
    exported(make().eval(), folder / "net.onnx")
    (folder / "model.yaml").write_text(
        "name: mine\nframework: onnx\nonnx: net.onnx\ninput: {mean: 127, std: 64}\n"
        "presets: {default: {max_iter: 5, lr_policy: constant, lr_params: {lr: 10.0}}}\n"
    )
    (folder / "images").mkdir()
    dice = np.random.default_rng(0)
    for number in range(6):
        cv2.imwrite(str(folder / "images" / f"{number}.png"), dice.integers(0, 256, (40, 40, 3)).astype(np.uint8))
    return folder, inside, last


def ran(main: Callable[[Sequence[str]], int | None], folder: Path, *arguments: str) -> int:
    flags = ["--onnx", str(folder / "net.onnx"), "--device", "cpu", "--mean", "127", "--std", "64"]
    return run_command(lambda: main([*flags, *arguments]))


def test_the_window_shows_it(workplace: tuple[Path, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _, _ = workplace
    monkeypatch.chdir(tmp_path)
    given = [
        "--input",
        str(folder / "images"),
        "--headless",
        "--script",
        "right right down b",
        "--snapshot",
        "shot.png",
    ]
    assert ran(toolbox_command.main, folder, *given) == 0
    with Image.open(tmp_path / "shot.png") as shot:
        assert np.ptp(np.asarray(shot)) > 200


def test_the_optimizer_climbs_it(workplace: tuple[Path, str, str], tmp_path: Path) -> None:
    folder, inside, last = workplace
    for layer in (inside, last):
        out = [
            "--units",
            f"{layer}:1",
            "--output",
            str(tmp_path / layer),
            "--preset",
            "default",
            "--max-iter",
            "6",
            "-q",
        ]
        assert ran(optimize_command.main, folder, *out) == 0
        assert list((tmp_path / layer).rglob("*.jpg"))
    network = load_network(folder / "net.onnx", mean=127, std=64)
    settings = AscentSettings(max_iter=20, lr_policy="progress", lr_params={"max_lr": 100.0, "desired_prog": 0.5})
    (found,) = preferred_images(network, [Unit(last, 1)], seeds=[0], settings=settings)
    assert found.objective[-1] > found.objective[0]


def test_the_scan_and_the_pipeline_take_it(
    workplace: tuple[Path, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, inside, _ = workplace
    monkeypatch.chdir(tmp_path)
    images = ["--images", str(folder / "images")]
    assert ran(scan_command.main, folder, *images, "--layers", inside, "--out", "maxes", "--workers", "0", "-q") == 0
    assert (TopImages.load("maxes").images[inside] >= 0).sum(1).max() == 6
    pictures = [*images, "--units", f"{inside}:0-1", "--store", "made", "--count", "1", "-q"]
    described = ["--model", str(folder), "--device", "cpu", *pictures]
    assert run_command(lambda: pipeline_command.main(described)) == 0
    kinds = {path.parent.name for path in (tmp_path / "made").rglob("*.jpg")} | {
        p.name for p in (tmp_path / "made").iterdir()
    }
    assert {"regularized_opt", "max_im", "max_deconv"} <= kinds


def test_measurements_and_edits_see_inside(workplace: tuple[Path, str, str]) -> None:
    folder, inside, last = workplace
    network = load_network(folder / "net.onnx", mean=127, std=64)
    frame = np.random.default_rng(1).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    session = measure.Session(network)
    assert len(session.take(frame, measure.MostActive(inside)).units) > 1
    x = network.preprocess(frame)
    before = network.forward(x, [last])[last]
    units = range(network.layers[inside].channels)
    after = network.forward(x, [last], edits=[Edit(inside, units, "zero")])[last]
    assert not torch.allclose(before, after)
