"""Which files of a folder a scan looks at: links, system folders, hidden files, kinds that are not read."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepvis_toolbox.errors import ToolboxError
from find_maxes import list_pictures


def draw(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6)).save(path, "PNG")


def test_the_order_is_that_of_a_walk_by_names(tmp_path):
    generator = np.random.default_rng(0)
    draw(*(tmp_path / "/".join(generator.choice(list("aBc1é"), 3)) / f"{index}.png" for index in range(40)))
    draw(tmp_path / "z.png", tmp_path / "a.png")
    expected = []
    for folder, folders, names in os.walk(tmp_path):
        folders.sort()
        expected += [Path(folder, name).relative_to(tmp_path).as_posix() for name in sorted(names)]
    assert list(list_pictures(tmp_path).names) == expected


def test_linked_class_folders_are_followed_and_circles_end(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    draw(root / "real/1.png", elsewhere / "cats/2.png", elsewhere / "dogs/deep/3.png", root / ".store/birds/4.png")
    (root / "cats").symlink_to(elsewhere / "cats")
    (root / "dogs").symlink_to("../elsewhere/dogs")
    (root / "birds").symlink_to(".store/birds")
    (root / "again").symlink_to("real")
    (root / "real/up").symlink_to(root)
    (root / "above").symlink_to(tmp_path)
    (elsewhere / "dogs/deep/circle").symlink_to(elsewhere / "dogs")
    (root / "felines").symlink_to(elsewhere / "cats")
    (root / "nowhere").symlink_to(elsewhere / "nothing")
    pictures = list_pictures(root)
    assert pictures.names == ("birds/4.png", "cats/2.png", "dogs/deep/3.png", "real/1.png")
    said = "; ".join(pictures.notes)
    assert "4 links to folders within this one or above it" in said
    assert "1 linked folders are left out that another link has led to" in said
    assert "1 links lead nowhere" in said


def test_links_between_folders_in_a_circle_end_and_lose_nothing(tmp_path):
    for name in ("a", "b"):
        draw(tmp_path / name / f"{name}.png")
    (tmp_path / "a/b").symlink_to(tmp_path / "b")
    (tmp_path / "b/a").symlink_to(tmp_path / "a")
    assert list_pictures(tmp_path / "a").names == ("a.png", "b/b.png")
    assert list_pictures(tmp_path).names == ("a/a.png", "b/b.png")


def test_what_systems_put_beside_pictures_is_left_out_and_counted(tmp_path):
    folders = [
        "__MACOSX",
        "@eaDir",
        "#recycle",
        "$RECYCLE.BIN",
        ".thumbnails",
        "class/@eaDir",
        "System Volume Information",
    ]
    draw(*(tmp_path / folder / "x.png" for folder in folders), tmp_path / "class/1.png", tmp_path / ".hidden.png")
    for name in ("._1.png", "class/._1.jpg"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    pictures = list_pictures(tmp_path)
    assert pictures.names == ("class/1.png",)
    said = "; ".join(pictures.notes)
    assert "7 folders of the system" in said
    assert "2 files ._…" in said
    assert "1 hidden pictures" in said


def test_pictures_of_other_endings_or_none_are_read_and_unknown_kinds_are_counted(tmp_path):
    draw(*(tmp_path / name for name in ("a.jfif", "b.mpo", "c", "d.PJPEG")))
    (tmp_path / "LICENSE").write_text("no picture")
    for name in ("e.heic", "f.HEIC", "g.svg", "h.xml"):
        (tmp_path / name).write_bytes(b"x")
    pictures = list_pictures(tmp_path)
    assert pictures.names == ("a.jfif", "b.mpo", "c", "d.PJPEG")
    assert pictures.notes == ("pictures of kinds that are not read here are left out: 2 .heic, 1 .svg",)


def test_an_ordinary_folder_has_no_notes(tmp_path):
    draw(tmp_path / "a/1.png", tmp_path / "b/2.png")
    (tmp_path / "labels.txt").write_text("cat")
    assert list_pictures(tmp_path).notes == ()


@pytest.mark.parametrize("name", ["x.7z", "x.tar.zst", "x.rar", "x.tar.bz2", "x.heic"])
def test_a_folder_of_nothing_that_can_be_read_says_what_is_there(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ToolboxError, match=name[1:].replace(".", r"\.")):
        list_pictures(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has shorter paths")
def test_folders_deeper_than_pythons_calls_are_walked(tmp_path, monkeypatch):
    draw(tmp_path / "root/top.png", tmp_path / "root/z/last.png")
    monkeypatch.chdir(tmp_path / "root")
    for _ in range(1500):
        os.mkdir("d")  # noqa: PTH102
        os.chdir("d")
    Image.new("RGB", (8, 6)).save("deep.png")
    os.chdir(tmp_path)
    try:
        names = list_pictures("root").names
    finally:
        subprocess.run(["rm", "-rf", "root"], check=True)  # Python's own calls itself for each level
    assert names == ("top.png", "d/" * 1500 + "deep.png", "z/last.png")
