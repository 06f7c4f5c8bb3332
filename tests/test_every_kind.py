"""Networks of every kind go through the window, the optimizer, the scan, crops, the pipeline and the atlas."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from deepvis_toolbox import measure
from deepvis_toolbox.atlas import atlas_command
from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.live import toolbox_command
from deepvis_toolbox.live.saturated_layer import SaturatedLayer
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.unlike_training import UnlikeTraining
from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.opening import loading
from deepvis_toolbox.optimize.cli import optimize_command
from deepvis_toolbox.pipeline import pipeline_command, stages
from deepvis_toolbox.scan.cli import crop_command, scan_command
from deepvis_toolbox.sources.decode import decode_picture
from deepvis_toolbox.sources.frame import FrameInfo
from find_maxes import TopImages
from tests.conftest import ROOT
from tests.kinds_of_networks import KINDS, flags_of

KEYS = "right b down b y y y y y y y H v wait W wait r A i x N 6 wait"
"""Backward, all overlays, statistics, contributions, an order, an edit, and an occlusion map."""
ASCENT = ["--max-iter", "3", "--lr-policy", "adam", "--lr-params", '{"lr": 5.0}', "-q"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, dice = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for number in range(5):
        coarse = dice.integers(0, 256, (6, 8, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(coarse, (48, 40), interpolation=cv2.INTER_CUBIC))
    return folder


def _check_no_false_alarm(network: Network, pictures: Path) -> None:
    """Show the pictures to what looks whether they are prepared as in training."""
    watches, state, session = (SaturatedLayer(), UnlikeTraining()), State(), measure.Session(network)
    state.facts.layers = tuple(network.layers.values())
    for path in sorted(pictures.iterdir()):
        questions = frozenset().union(*(watch.questions(state) for watch in watches))
        answers = {question: session.take(decode_picture(path), question) for question in questions}
        frame = FrameInfo(path.name, 0, is_still=True)
        snapshot = Snapshot(Request(), frame, np.zeros((1, 1, 3), np.uint8), answers)
        assert not any(watch.follow(state, snapshot) for watch in watches)


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_through_all(
    kind: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net").mkdir()
    flags = flags_of(kind, tmp_path / "net")
    load_own = loading.load_network
    opened = functools.cache(lambda model: load_own(model, device="cpu", trust=True, path=[ROOT]))
    monkeypatch.setattr(loading, "load_network", lambda model, **_: opened(model))  # once for all commands
    monkeypatch.chdir(tmp_path)

    def run(main: Callable[[Sequence[str]], int | None], *arguments: str) -> None:
        status = run_command(lambda: main([*flags, *arguments]))
        assert status == 0, capsys.readouterr().err

    _check_no_false_alarm(opened(flags[flags.index("--model") + 1]), pictures)
    units = [address for address in KINDS[kind][1:] if address]
    layers = [address.rpartition(":")[0] for address in units]
    for unit, keys in zip(units, (KEYS, "b H v"), strict=False):
        run(toolbox_command.main, "--input", str(pictures), "--headless", "--goto", unit, "--script", keys, "--set",
            "window.width=900", "--set", "window.height=600", "--snapshot", "shot.png")  # fmt: skip
        with Image.open("shot.png") as shot:
            assert np.ptp(np.asarray(shot)) > 200
    run(optimize_command.main, "--units", *units, "--output", "preferred", *ASCENT)
    assert len(list(Path("preferred").rglob("*.jpg"))) >= len(units)
    run(scan_command.main, "--images", str(pictures), "--layers", *layers, "--out", "maxes", "--workers", "0", "-q")
    top = TopImages.load("maxes")
    assert all((top.images[layer] >= 0).sum(1).max() == 5 for layer in layers)
    run(crop_command.main, "--maxes", "maxes", "--units", *units, "--store", "made", "--looks", "deconv:raw", "-q")
    monkeypatch.setattr(stages, "_TRIAL_STEPS", 1)
    run(pipeline_command.main, "--images", str(pictures), "--units", units[0], "--store", "store", "--count", "1", "-q")
    run(atlas_command.main, "--layers", *layers, "--store", "store", "--out", "site", "-q")
