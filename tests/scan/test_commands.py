"""The scan's commands as programs and people call them: lists as data sets, JSON, the whole and its parts."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.scan.cli import crop_command, merge_command, scan_command
from find_maxes import TopImages

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--model", "small_convnet:make", "--input-size", "16", "--mean", "127", "--std", "64", "--device", "cpu"]


def scanned(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    """What the scan says, as JSON."""
    status = scan_command.main([*SMALL, "--workers", "0", "-q", "--json", *arguments])
    said = capsys.readouterr()
    assert said.err == ""
    record = dict(json.loads(said.out))
    assert status == (2 if record["skipped"] else 0)
    return record


@pytest.fixture
def some(picture_folder: Path, tmp_path: Path) -> Path:
    """A list of five pictures with labels and one that is not there, in a folder of links to them."""
    for number in range(5):
        (tmp_path / f"{number:03d}.png").symlink_to(picture_folder / f"{number:03d}.png")
    listed = tmp_path / "some.txt"
    listed.write_text("".join(f"{number:03d}.png {number}\n" for number in (4, 2, 0, 1, 3)) + "missing.png 9\n")
    return listed


def test_a_list_after_images_names_pictures_beside_itself_as_one_after_list_does(
    some: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = scanned(capsys, "--images", str(some), "--out", str(tmp_path / "a"))
    assert record["pictures"] == 5
    assert list(record["skipped"]) == [str(tmp_path / "missing.png")]
    assert set(record["layers"]) == set(TopImages.load(tmp_path / "a").layers)
    scanned(capsys, "--images", str(tmp_path), "--list", str(some), "--out", str(tmp_path / "b"))
    monkeypatch.chdir(tmp_path)
    scanned(capsys, "--images", "some.txt", "--out", "c")
    whole = TopImages.load(tmp_path / "a")
    assert list(whole.labels[:5]) == [4, 2, 0, 1, 3]
    for other in (TopImages.load(tmp_path / "b"), TopImages.load(tmp_path / "c")):
        assert [Path(path).name for path in other.paths] == [Path(path).name for path in whole.paths]
        for layer in whole.layers:
            np.testing.assert_array_equal(other.values[layer], whole.values[layer])
    with pytest.raises(ToolboxError, match="--images is a list already"):
        scanned(capsys, "--images", str(some), "--list", str(some), "--out", str(tmp_path / "d"))


def test_parts_merged_by_the_command_are_told_as_the_whole_is(
    picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = ["--images", str(picture_folder), "--batch-size", "8", "--count", "3"]
    whole = scanned(capsys, *pictures, "--out", str(tmp_path / "whole"))
    for number in range(3):
        scanned(capsys, *pictures, "--shard", f"{number}/3", "--out", str(tmp_path / f"part{number}"))
    parts = [str(tmp_path / f"part{number}") for number in range(3)]
    assert merge_command.main([*parts, "--out", str(tmp_path / "merged"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {**whole, "out": str(tmp_path / "merged")}
    for name in ("top_images.npz", "pictures.jsonl"):
        assert (tmp_path / "merged" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    with pytest.raises(ToolboxError, match="in none of the parts"):
        merge_command.main([*parts[:2], "--out", str(tmp_path / "some")])


def test_merged_parts_with_unreadable_pictures_end_as_the_whole_scan_does(
    some: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = ["--images", str(some), "--batch-size", "2", "--layers", "fc"]
    whole = scanned(capsys, *pictures, "--out", str(tmp_path / "whole"))
    parts = [str(tmp_path / f"part{number}") for number in range(2)]
    for number, part in enumerate(parts):
        scanned(capsys, *pictures, "--shard", f"{number}/2", "--out", part)
    assert merge_command.main([*parts, "--out", str(tmp_path / "merged"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["skipped"] == whole["skipped"] != {}


def test_crops_of_layers_and_units_are_counted_as_json(
    picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maxes, store = str(tmp_path / "maxes"), str(tmp_path / "store")
    record = scanned(capsys, "--images", str(picture_folder), "--out", maxes)
    first, last = record["layers"][0], record["layers"][-1]
    arguments = [*SMALL, "--maxes", maxes, "--store", store, "-q", "--json"]
    assert crop_command.main([*arguments, "--units", f"{first}:0,{first}:1,2"]) == 0
    assert json.loads(capsys.readouterr().out) == {"store": store, "made": 3, "were_there": 0, "problems": []}
    units = TopImages.load(maxes).values[last].shape[0]
    assert crop_command.main([*arguments, "--units", f"{first}:0-2", "--layers", last]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["made"], made["were_there"]) == (units, 3)


@pytest.mark.parametrize("form", ["folder", "archive", "list", "list of a folder"])
def test_crops_look_for_pictures_that_moved_where_images_says_as_the_scan_does(
    picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(picture_folder, old / "pictures")
    with tarfile.open(old / "pictures.tar", "w") as archive:
        archive.add(old / "pictures", "pictures")
    (old / "list.txt").write_text("".join(f"pictures/{number:03d}.png\n" for number in range(12)))
    named = {"folder": "pictures", "archive": "pictures.tar", "list": "list.txt"}.get(form, ".")
    listed = ["--list", str(old / "list.txt")] if form == "list of a folder" else []
    scanned(capsys, "--images", str(old / named), *listed, "--out", str(tmp_path / "maxes"), "--layers", "fc")
    arguments = [*SMALL, "--maxes", str(tmp_path / "maxes"), "-q", "--json", "--units", "fc:0"]
    assert crop_command.main([*arguments, "--store", str(tmp_path / "before")]) == 0
    old.rename(new)
    store = tmp_path / "after"
    for wrong, said in (
        (old, "does not exist"),
        (picture_folder.parent, "none of the .* pictures is below"),
        (new / "pictures" / "000.png", "neither a folder nor"),
    ):
        with pytest.raises(ToolboxError, match=said):
            crop_command.main([*arguments, "--store", str(store), "--images", str(wrong)])
    assert not store.exists()
    assert crop_command.main([*arguments, "--store", str(store), "--images", str(new / named)]) == 0
    for path in (tmp_path / "before").rglob("*.jpg"):
        assert (store / path.relative_to(tmp_path / "before")).read_bytes() == path.read_bytes()


def test_crops_of_a_part_of_the_pictures_are_called_that(
    picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = ["--images", str(picture_folder), "--batch-size", "4", "--layers", "fc", "--out"]
    scanned(capsys, *pictures, str(tmp_path / "part"), "--shard", "0/3")
    scanned(capsys, *pictures, str(tmp_path / "whole"))
    crop = [*SMALL, "-q", "--units", "fc:0", "--store"]
    assert crop_command.main([*crop, str(tmp_path / "a"), "--maxes", str(tmp_path / "part")]) == 0
    assert "note: the scan has looked at 12 of 43 pictures" in capsys.readouterr().err
    assert crop_command.main([*crop, str(tmp_path / "b"), "--maxes", str(tmp_path / "whole")]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="this system does not list a process's children")
def test_ctrl_c_while_the_decoding_processes_start_is_one_word(picture_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "find_maxes" / "find_max_acts.py"), *SMALL, "-q", "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--images", str(picture_folder), "--out", str(tmp_path / "maxes")],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )

    def children() -> str:
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            return "".join(path.read_text() for path in Path(f"/proc/{process.pid}/task").glob("*/children"))
        return ""

    try:
        while len(children().split()) < 2 and process.poll() is None:
            time.sleep(0.002)
        time.sleep(0.05)  # deep in their imports
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert said == "interrupted\n"
    assert process.returncode == 130
