"""Checks the one command that fills the window's pane: what it writes, that it goes on, and what it refuses."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from deepvis_toolbox.command_line import run_command
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.pipeline.command_line import main
from deepvis_toolbox.pipeline.pack import pack
from deepvis_toolbox.unit_images import KINDS, UnitImageStore, montage3x3
from deepvis_toolbox.unit_images.montage import tiles_of_3x3

sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A model folder and pictures, with the working directory beside them."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.yaml").write_text(
        "name: tiny\nframework: torch\nfactory: pipeline_convnet:make\ninput: {size: 16, mean: 127, std: 64}\n"
        "presets: {default: {max_iter: 5, lr_policy: constant, lr_params: {lr: 10.0}}}\n"
        "unit_images: {folder: pictures, shared: {'2': '1'}}\n"
    )
    (tmp_path / "images").mkdir()
    random = np.random.default_rng(0)
    for number in range(12):
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), random.integers(0, 256, (20, 20, 3)).astype(np.uint8))
    (tmp_path / "images" / "broken.png").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> int:
    return run_command(lambda: main(["--model", "model", "--device", "cpu", *arguments]))


def modified(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_one_command_makes_all_pictures_of_the_units_and_says_what_it_takes_first(workplace, capsys):
    assert run("--images", "images", "--layers", "1", "4", "--seeds", "2") == 0
    said = capsys.readouterr()
    assert "7 units of 2 layers" in said.out
    assert said.out.index("about") < said.out.index("done")
    assert "broken.png" in said.err
    store = UnitImageStore(workplace / "model" / "pictures", shared={"2": "1"})
    for kind in KINDS:
        assert store.units(kind, "1") == [0, 1, 2, 3]
        assert store.units(kind, "4") == [0, 1, 2]
        assert store.has(kind, "2", 1)
    assert (store.folder / "max_im/4/4_0002.jpg").exists()
    assert (store.folder / "regularized_opt/4/4_0002_montage.jpg").exists()
    before = modified(store.folder / "max_im") | modified(workplace / "maxes")
    assert run("--images", "images", "--layers", "1", "4", "--seeds", "2") == 0
    assert modified(store.folder / "max_im").items() <= before.items()  # nothing was made again
    assert "preferred images, 0 pictures" in capsys.readouterr().out


def test_a_later_run_for_other_layers_uses_the_same_scan(workplace, capsys):
    assert run("--images", "images", "--units", "1:0", "--stages", "scan", "crops") == 0
    arrays = modified(workplace / "maxes")
    capsys.readouterr()
    assert run("--images", "images", "--units", "4:1", "--stages", "scan", "crops") == 0
    assert "scan, 0 pictures" in capsys.readouterr().out
    store = UnitImageStore(workplace / "model" / "pictures")
    assert store.units("max_im", "4") == [1]
    assert modified(workplace / "maxes").keys() == arrays.keys()


def test_an_estimate_makes_nothing(workplace, capsys):
    assert run("--images", "images", "--estimate") == 0
    assert "about" in capsys.readouterr().out
    assert not (workplace / "model" / "pictures").exists()
    assert not (workplace / "maxes").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--stages", "scan"], "--images is missing"),
        (["--images", "nowhere"], "does not exist"),
        (["--units", "4:9"], "units 0 to 2"),
        (["--units", "nonsuch:1"], "no layer"),
        (["--seeds", "0"], "1 to 9"),
        (["--preset", "nonsuch"], "no preset"),
        (["--stages", "crops", "--images", "images"], "holds no top images"),
    ],
)
def test_mistakes_are_one_sentence_and_status_2(workplace, capsys, arguments, said):  # noqa: ARG001
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_packing_keeps_what_is_shown_and_shrinks_it(tmp_path):
    source, target = UnitImageStore(tmp_path / "big"), UnitImageStore(tmp_path / "small")
    colours = [np.full((60, 40, 3), 20 * number, np.uint8) for number in range(9)]
    source.write_montage("max_im", "a/b", 3, montage3x3(colours))
    source.write_montage("regularized_opt", "a/b", 3, montage3x3(colours[:1]))
    source.write_single("regularized_opt", "a/b", 3, "s0000_best_X", colours[4], ".png")
    count, size = pack(source, target, 30)
    files = [path for path in target.folder.rglob("*") if path.is_file()]
    assert count == len(files) == 2
    assert sum(path.stat().st_size for path in files) == size
    tiles = tiles_of_3x3(target.read("max_im", "a/b", 3))
    assert tiles[0].shape == (30, 20, 3)
    assert [round(float(tile.mean()) / 20) for tile in tiles] == list(range(9))
    shown = target.read("regularized_opt", "a/b", 3)  # a single picture is shown large
    assert shown.shape == (30, 20, 3)
    assert abs(float(shown.mean()) - 80) < 3
    with pytest.raises(ToolboxError, match="no unit images"):
        pack(UnitImageStore(tmp_path / "nowhere"), target, 30)
