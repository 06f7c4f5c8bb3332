"""Text files of names end a line at a newline and nowhere else: all that Python takes for an end may be in a name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deepvis_toolbox.opening.described import read_labels
from deepvis_toolbox.regular_file import lines_of
from deepvis_toolbox.scan.result_folder import ResultFolder
from deepvis_toolbox.sources.listing import read_picture_list
from find_maxes import list_pictures

NO_ENDS = ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\r"]
NAMES = [f"a{end}b" for end in NO_ENDS]


def test_lines_end_at_newlines_alone():
    assert lines_of("a\nb\r\nc\x85d\n") == ["a", "b", "c\x85d", ""]
    assert lines_of("a\rb") == ["a", "b"], "a file of an old Mac has no other ends"
    assert lines_of("") == [""]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_labels_are_those_of_their_units(tmp_path: Path, end: str):
    (tmp_path / "labels.txt").write_text(end.join([*NAMES, "last", ""]), "utf-8", newline="")
    assert read_labels(tmp_path / "labels.txt") == (*NAMES, "last")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_list_of_pictures_has_a_picture_a_line(tmp_path: Path, end: str):
    lines = [f"{name}.png {number}" for number, name in enumerate(NAMES)]
    (tmp_path / "list.txt").write_text(end.join(lines) + end, "utf-8", newline="")
    listed = read_picture_list(tmp_path / "list.txt")
    assert [picture.path.name for picture in listed] == [f"{name}.png" for name in NAMES]
    assert [picture.label for picture in listed] == list(range(len(NAMES)))
    assert list_pictures(tmp_path, tmp_path / "list.txt").names == tuple(f"{name}.png" for name in NAMES)


def test_a_scans_list_of_pictures_has_a_picture_a_line(tmp_path: Path):
    rows = [json.dumps([name, number], ensure_ascii=False) for number, name in enumerate(NAMES[4:-1])]
    (tmp_path / "pictures.jsonl").write_text("\n".join(rows) + "\n", "utf-8")
    assert ResultFolder(tmp_path).read_pictures().names == tuple(NAMES[4:-1])
