"""Unpacks a fetched tar archive: plain files and folders only, inside one folder, up to limits.

It is read twice: nothing is written before every entry has been looked at.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import stat
import tempfile
from pathlib import Path

from deepvis_toolbox.atomic_files import cannot_write, give_name
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.opening.downloads.fetch_archive_entries import BROKEN, BrokenArchiveError, Entry, broken, entries
from deepvis_toolbox.opening.downloads.fetch_places import check_ways

__all__ = ["BrokenArchiveError", "unpack"]

_WAITING = ".unpacking-"
_BLOCK = 1 << 18


def unpack(archive: Path, folder: Path) -> int:
    """Unpack `archive` (.tar, .tar.gz) into `folder`; give the number of files. All of it, or nothing.

    What is in the folder stays as it is. Raises `BrokenArchiveError` where the archive is broken, and `ToolboxError`
    where it has a link, a device or a path that leaves the folder, is too large, or has a file that is there already
    and is another one.
    """
    try:
        size = sum(entry.size for entry in entries(archive))
        folder.parent.mkdir(parents=True, exist_ok=True)
        _check_disk(size, folder.parent)
        _remove_left_over(folder.parent)
        with tempfile.TemporaryDirectory(prefix=_WAITING, dir=folder.parent) as waiting:
            count = _unpack_all(archive, Path(waiting))
            _move_into(Path(waiting), folder)
            return count
    except BROKEN as error:
        raise broken(archive, error) from None
    except OSError as error:
        raise cannot_write(folder, error) from error


def _unpack_all(archive: Path, waiting: Path) -> int:
    count = 0
    for entry in entries(archive):
        path = waiting / entry.path
        if entry.is_folder:
            path.mkdir(parents=True, exist_ok=True)
            continue
        count += 1
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(entry, path)
    return count


def _write(entry: Entry, path: Path) -> None:
    source = entry.content()
    if path.is_dir() or source is None:
        raise ToolboxError(f'"{entry.name}" is in the archive twice, as a file and as a folder')
    with source, path.open("wb") as file:
        shutil.copyfileobj(source, file, _BLOCK)


def _move_into(waiting: Path, folder: Path) -> None:
    """Give the files their places; refused as a whole where one would replace another or be written through a link."""
    unpacked = sorted(waiting.rglob("*"))
    moves = [(path, folder / path.relative_to(waiting)) for path in unpacked]
    if os.path.lexists(folder):
        there = {path for path, target in moves if _is_there(path, target, folder)}
        moves = [move for move in moves if move[0] not in there]
    folder.mkdir(parents=True, exist_ok=True)
    for path, target in moves:
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            give_name(path, target)


def _is_there(path: Path, target: Path, folder: Path) -> bool:
    """Return whether the same is there already, as after a run that was killed; `ToolboxError` where another one is."""
    check_ways(folder.parent, target.parent)
    if not os.path.lexists(target):
        return False
    mode = target.lstat().st_mode
    if path.is_dir() and stat.S_ISDIR(mode):
        return True
    if not path.is_dir() and stat.S_ISREG(mode) and filecmp.cmp(path, target, shallow=False):
        return True
    raise ToolboxError(f'"{target}" is there already, and not what the archive holds; move it away, and run it again')


def _check_disk(size: int, folder: Path) -> None:
    missing = (size - shutil.disk_usage(folder).free) / 1e6
    if missing > 0:
        raise ToolboxError(f"the disk of {folder} lacks {missing:.0f} MB; free some space")


def _remove_left_over(folder: Path) -> None:
    """Remove what runs that were killed have left; the model's folder is locked, so that no other one is at work."""
    for path in folder.glob(f"{_WAITING}*"):
        shutil.rmtree(path, ignore_errors=True)  # follows no link
