"""A folder's lock: who has it, what a forked child leaves alone, and a folder that is gone before the run has ended."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from threading import Timer

import pytest

from deepvis_toolbox.atomic_files import FolderGoneError, remove, replacing, write_text
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.folder_lock import LOCK, FolderLock

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")


def test_a_child_that_ends_its_copy_of_the_lock_leaves_it_to_the_parent(tmp_path: Path) -> None:
    with FolderLock(tmp_path) as lock:
        child = os.fork()
        if child == 0:
            try:
                lock.release()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert (tmp_path / LOCK).is_file(), "the name of the lock is still there"
        with pytest.raises(ToolboxError, match=f"process {os.getpid()} on "):
            FolderLock(tmp_path)
    assert not (tmp_path / LOCK).exists()


def test_a_child_that_lives_on_does_not_keep_the_lock(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    lock = FolderLock(tmp_path)
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    lock.release()
    with FolderLock(tmp_path):
        pass
    os.close(writer)
    os.close(reader)
    os.waitpid(child, 0)


def test_who_is_patient_gets_it_when_the_other_is_done(tmp_path: Path) -> None:
    held = FolderLock(tmp_path)
    with pytest.raises(ToolboxError, match="another run is writing"):
        FolderLock(tmp_path, patience=0.1)
    Timer(0.2, held.release).start()
    with FolderLock(tmp_path, patience=60):
        pass


def test_who_holds_it_is_said_with_since_when_and_the_command_without_secrets(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(
        sys, "orig_argv", ["python", "deepvis-scan", "--images", "s3://key:geheim@bucket/pictures", "a\nb" + "x" * 500]
    )
    with FolderLock(tmp_path), pytest.raises(ToolboxError) as refused:
        FolderLock(tmp_path)
    said = str(refused.value)
    assert re.search(r"process \d+ on .* since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d: deepvis-scan --images ", said)
    assert "geheim" not in said
    assert "\n" not in said
    assert len(said) < 500 + len(str(tmp_path))


REMOVALS = {
    "removed": shutil.rmtree,
    "moved": lambda folder: folder.rename(folder.with_name("elsewhere")),
    "replaced": lambda folder: (folder.rename(folder.with_name("elsewhere")), folder.mkdir()),
    "removed and made anew": lambda folder: (shutil.rmtree(folder), folder.mkdir()),
    "its parent removed": lambda folder: shutil.rmtree(folder.parent),
    "a file instead": lambda folder: (shutil.rmtree(folder), folder.write_text("x")),
}


@pytest.mark.parametrize("removal", REMOVALS)
@pytest.mark.parametrize("below", ["a.txt", "layer/a.txt"])
def test_nothing_is_written_into_a_folder_that_is_gone_since_it_was_locked(tmp_path, removal, below, monkeypatch):
    folder = tmp_path / "parent" / "out"
    lock = FolderLock(folder)
    write_text(folder / below, "before")
    REMOVALS[removal](folder)
    monkeypatch.chdir(tmp_path)
    for path in (folder / below, Path("parent/out") / below):
        with pytest.raises(
            FolderGoneError, match=r"out\" was removed or replaced since this run began .*; run it again"
        ):
            write_text(path, "after")
    assert removal == "a file instead" or not (folder / below).exists()
    write_text(tmp_path / "parent2" / "out.txt", "of no concern")
    lock.release()
    if removal in ("removed", "moved", "replaced", "removed and made anew"):
        write_text(folder / below, "another run")


def test_nothing_is_written_or_removed_behind_a_link_in_a_folder_that_is_the_runs_own(tmp_path):
    (tmp_path / "elsewhere" / "below").mkdir(parents=True)
    (tmp_path / "elsewhere" / "below" / "mine.txt").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "layer").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "out" / "a.txt").symlink_to(tmp_path / "mine.txt")
    with FolderLock(tmp_path / "out"):
        for name in ("layer/below/mine.txt", "layer/new.txt"):
            for act in (lambda path: write_text(path, "theirs"), remove):
                with pytest.raises(ToolboxError, match=r'layer": a link has that name, and nothing is written through'):
                    act(tmp_path / "out" / name)
        write_text(tmp_path / "out" / "a.txt", "theirs")  # in the place of the link
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert [path.read_text() for path in (tmp_path / "elsewhere").rglob("*.txt")] == ["mine"]
    with FolderLock(tmp_path / "out", "film.mp4"):  # what else is there is the user's own
        write_text(tmp_path / "out" / "layer" / "new.txt", "mine")


def test_a_folder_that_goes_while_a_file_is_written_is_not_made_again(tmp_path):
    folder = tmp_path / "out"
    with FolderLock(folder) as lock:
        with pytest.raises(FolderGoneError), replacing(folder / "a.txt"):  # as a writer of half a file
            shutil.rmtree(folder)
        assert not folder.exists()
        lock.release()


def test_a_run_whose_folder_is_gone_at_its_end_has_not_succeeded(tmp_path):
    with pytest.raises(FolderGoneError), FolderLock(tmp_path / "out"):
        shutil.rmtree(tmp_path / "out")
    with pytest.raises(ZeroDivisionError), FolderLock(tmp_path / "out"):  # the error that was there first is told
        remove_and_fail(tmp_path / "out")


def test_a_working_directory_that_is_gone_is_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with FolderLock(tmp_path / "out"):
        (tmp_path / "work").rmdir()
        with pytest.raises(ToolboxError, match=r"cannot write \"a\.txt\""):
            write_text("a.txt", "x")
        with pytest.raises(ToolboxError, match="cannot write"):
            FolderLock("out")


def test_the_lock_of_whoever_has_taken_the_folders_name_stays(tmp_path):
    lock = FolderLock(tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    with FolderLock(tmp_path / "out"):
        lock.release()
        assert (tmp_path / "out" / LOCK).exists()


def remove_and_fail(folder: Path) -> None:
    shutil.rmtree(folder)
    raise ZeroDivisionError
