"""A folder's lock: who has it, and what a forked child leaves alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
