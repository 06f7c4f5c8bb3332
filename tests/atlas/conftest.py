"""A small model with its store of unit images and a scan, of which atlases are built."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from deepvis_toolbox.atlas.atlas_command import main
from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.pipeline.pipeline_command import main as make_pictures

UNITS = ["4:0-1", "6:0-3"]
PICTURED = {"4": {0, 1}, "6": {0, 1, 2, 3}}
LABELS = ["one", "two & three", "</script><b>four", "'five\"", "six\u2028seven"]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, its store and a scan of it."""
    folder = tmp_path_factory.mktemp("atlas")
    (folder / "model").mkdir()
    (folder / "model" / "labels.txt").write_text("\n".join(LABELS) + "\n", "utf-8")
    (folder / "model" / "model.yaml").write_text(
        "name: tiny\nframework: torch\nfactory: tests.pipeline.pipeline_convnet:make\n"
        "input: {size: 16, mean: 127, std: 64}\nlabels: labels.txt\n"
        "presets: {default: {max_iter: 2, lr_policy: constant, lr_params: {lr: 10.0}}}\n"
    )
    (folder / "images").mkdir()
    random = np.random.default_rng(0)
    for number in range(12):
        cv2.imwrite(str(folder / "images" / f"{number}.png"), random.integers(0, 256, (20, 20, 3)).astype(np.uint8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPVIS_MODELS", str(folder))
        make_store(folder, "store", "maxes")
    return folder


def make_store(folder: Path, store: str, maxes: str, *more: str) -> None:
    """Make unit images of the model in `folder`, trusted, and a scan of it."""
    given = ["--model", str(folder / "model"), "--device", "cpu", "--images", str(folder / "images"), "--units", *UNITS]
    given += ["--maxes", str(folder / maxes), "--store", str(folder / store), "--workers", "0", "-q", *more]
    assert make_pictures(given) == 0


@pytest.fixture(autouse=True)
def trusted(made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEEPVIS_MODELS", str(made))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def build(made: Path, out: Path, *more: str, store: str = "store") -> int:
    given = ["--model", str(made / "model"), "--device", "cpu", "--store", str(made / store), "--out", str(out), "-q"]
    return run_command(lambda: main([*given, *more]))


def files_of(site: Path) -> dict[str, bytes]:
    return {str(path.relative_to(site)): path.read_bytes() for path in site.rglob("*") if path.is_file()}
