"""Paths that can be none: every command says so in one sentence, whichever flag they stand behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.errors import ToolboxError, user_path
from deepvis_toolbox.live import toolbox_command
from deepvis_toolbox.opening.described import read_labels
from deepvis_toolbox.opening.model_folder import is_factory
from deepvis_toolbox.optimize.cli import optimize_command
from deepvis_toolbox.scan.cli import crop_command, scan_command

NO_PATHS = ["~nobody-here/x", "n" * 300, "a:" + "b" * 300, "null\0character"]
WINDOW, OPTIMIZE, SCAN, CROP = toolbox_command.main, optimize_command.main, scan_command.main, crop_command.main


@pytest.mark.parametrize("path", NO_PATHS)
@pytest.mark.parametrize(
    ("main", "flags"),
    [
        (WINDOW, ["--headless", "--model", "PATH"]),
        (WINDOW, ["--headless", "--prototxt", "PATH", "--weights", "PATH"]),
        (WINDOW, ["--headless", "--labels", "PATH"]),
        (WINDOW, ["--headless", "--mean", "PATH"]),
        (OPTIMIZE, ["--units", "fc:1", "--weights", "PATH"]),
        (OPTIMIZE, ["--units", "fc:1", "--store", "PATH"]),
        (SCAN, ["--images", "PATH", "--out", "maxes"]),
        (CROP, ["--maxes", "PATH"]),
    ],
)
def test_what_can_be_no_path_is_one_sentence_and_status_2(main, flags, path, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command(lambda: main([path if flag == "PATH" else flag for flag in flags])) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert told[-1].startswith("error: ")
    assert "Traceback" not in "".join(told)


@pytest.mark.parametrize("path", NO_PATHS)
def test_a_user_s_path_is_one_or_is_refused(path: str) -> None:
    with pytest.raises(ToolboxError, match="can be no path"):
        user_path(path)


def test_a_user_s_path_need_not_be_there() -> None:
    assert user_path("~/not there yet") == Path.home() / "not there yet"


def test_a_long_factory_is_no_path() -> None:
    assert is_factory("a:" + "b" * 300)


def test_labels_that_are_no_file_are_told(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_bytes(b"a" * (1 << 25))
    with pytest.raises(ToolboxError, match=r"labels\.txt cannot be read: larger than"):
        read_labels(labels)
    with pytest.raises(ToolboxError, match="there is no labels file"):
        read_labels(tmp_path)
