"""Where an ascent finds no direction, no way of making pictures keeps its start: montage and exit status tell."""

import numpy as np
import pytest

from deepvis_toolbox.optimize.cli.optimize_command import main as optimize
from deepvis_toolbox.pipeline.pipeline_command import main as pipeline
from deepvis_toolbox.unit_images.picture_file import read_picture

MODEL = (
    "name: dead\nframework: torch\nfactory: tests.optimize.networks:dead_classifier\n"
    "input: {size: [24, 20], mean: 110}\nlabel_layers: [fc]\n"
    "presets: {default: {max_iter: 5, lr_policy: constant, lr_params: {lr: 10.0}}}\n"
)
DEAD, ALIVE = "fc:1", "fc:2"


@pytest.fixture
def asked(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.yaml").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPVIS_MODELS", str(tmp_path))
    return ["--model", "model", "--units", f"{DEAD},{ALIVE}", "--seeds", "6,7", "--device", "cpu"]


WAYS = {
    "optimize": (optimize, ["--store", "out", "--preset", "default"]),
    "compare": (optimize, ["--store", "out", "--compare", "default,paper3", "--max-iter", "5"]),
    "prefix": (optimize, ["--out", "out/p", "--preset", "default"]),
    "pipeline": (pipeline, ["--store", "out", "--stages", "preferred", "--yes"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_keeps_a_start_as_a_picture(tmp_path, asked, capsys, way):
    command, more = WAYS[way]
    (tmp_path / "out").mkdir()
    for _ in range(2):  # asked for again, it says so again
        assert command([*asked, *more]) == 2
        assert f"{DEAD}, seed 6: no direction found" in capsys.readouterr().err
    kept = [path for path in (tmp_path / "out").rglob("*") if path.suffix in (".png", ".jpg")]
    of_dead = [path for path in kept if "0001" in path.name and "_X" in path.name]
    of_alive = [path for path in kept if "0002" in path.name and "_X" in path.name]
    assert not of_dead
    assert len(of_alive) >= 4
    montages = [path for path in kept if "0001" in path.name]
    if way == "prefix":
        assert not montages
    else:
        letters = [read_picture(path).astype(int) for path in montages]
        assert letters
        assert all(np.ptp(each, axis=2).mean() < 4 for each in letters)
