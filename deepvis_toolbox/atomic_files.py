"""Files that are whole or not there, after a power cut too: written under a temporary name beside the target, brought
to the disk, then renamed."""

from __future__ import annotations

import errno
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from deepvis_toolbox.errors import ToolboxError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space and run it again",
    errno.EDQUOT: "your disk quota is used up; free some space and run it again",
    errno.EACCES: "the folder or file may not be written; change its permissions or choose another place",
    errno.EPERM: "the folder or file may not be written; change its permissions or choose another place",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another place",
    errno.EEXIST: "a part of the path is a file, not a folder; choose another place",
    errno.EISDIR: "there is a folder of that name; choose another place",
    errno.ELOOP: "a link has that name, and nothing is written through links; remove it, or choose another place",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EFBIG: "the file would be larger than is allowed here (ulimit -f)",
}


ABANDONED_SECONDS = 60.0
"""A partial file that has not grown for so long is of a writer that was killed; one is written in a moment."""
_HALF = tuple(f".{'[0-9a-f]' * 32}.{ending}" for ending in ("partial*", "probe"))


_standing: dict[object, _Standing] = {}
"""The folders that runs write into."""


class _Place(NamedTuple):
    """Which folder a path has meant."""

    device: int
    inode: int


class _Standing(NamedTuple):
    """A folder that a run writes into."""

    path: str
    place: _Place
    is_own: bool
    """Whether all in it is the run's."""


class DiskFullError(ToolboxError):
    """A file could not be written, and no other one can be."""


class FolderGoneError(DiskFullError):
    """The folder that all is written into was removed, moved or replaced."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, with the same suffix, to be written to; renamed to `path` on leaving.

    Makes the folder, but for one that `must_stand` and does not. When the block raises, the temporary file is removed
    and a former `path` stays as it was. An `OSError` of the block (full disk, unwritable folder) becomes a
    `ToolboxError` that names `path`.
    """
    target = Path(path)
    temporary = target.with_name(f".{uuid.uuid4().hex}.partial{target.suffix}")
    check_standing(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _bring_to_disk(temporary)
        check_standing(target)
        temporary.replace(target)
        with suppress(OSError):  # systems that know no such thing of a folder
            _bring_to_disk(target.parent)
    except OSError as error:
        check_standing(target)
        raise cannot_write(target, error) from error
    finally:
        _remove_quietly(temporary)


def _bring_to_disk(path: Path) -> None:
    """Wait until the system has written what it still holds of a file, or of a folder's names."""
    if os.name == "nt":  # there, only who has written a file can ask for it
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def give_name(temporary: Path, target: Path) -> None:
    """Give a finished file its name, where nothing has it; `FileExistsError` otherwise. It moves within one disk."""
    try:
        os.link(temporary, target)  # unlike a renaming, it replaces nothing
    except FileExistsError:
        raise
    except OSError:  # a file system without a second name for a file
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        temporary.rename(target)
    else:
        temporary.unlink()


def must_stand(folder: Path, is_own: bool = False) -> Callable[[], None]:
    """Hold that what is written below `folder` from now on goes into the folder that is there now; what ends that.

    `replacing` refuses to write where the folder was removed or another one has its name: what a run has made would be
    lost in part, or mixed with somebody else's. `is_own`: also where a link in it leads elsewhere: a store or a result
    may have come from anybody. `OSError` where there is no such folder.
    """
    found, token = folder.stat(), object()
    held = None if os.name == "nt" else os.open(folder, os.O_RDONLY)  # so that its number is given to no other folder
    path = os.path.abspath(folder)  # noqa: PTH100 - links stay
    _standing[token] = _Standing(path, _Place(found.st_dev, found.st_ino), is_own)

    def end() -> None:
        if _standing.pop(token, None) is not None and held is not None:
            os.close(held)

    return end


def check_standing(path: str | Path) -> None:
    """Raise `FolderGoneError` where `path` is a folder that `must_stand`, or lies below one, and it is gone;
    `ToolboxError` where it lies behind a link in one that is a run's own."""
    if not _standing:
        return
    try:
        wanted = os.path.abspath(path)  # noqa: PTH100
    except OSError:  # the working directory is gone, and whoever writes there will be told
        return
    for folder, place, is_own in list(_standing.values()):
        if wanted == folder or wanted.startswith(folder.rstrip(os.sep) + os.sep):
            _check_place(folder, place)
            if is_own:
                _check_way(folder, wanted)


def _check_way(folder: str, wanted: str) -> None:
    """Raise `ToolboxError` where a folder on the way from `folder` down to a file is a link."""
    way = os.path.dirname(wanted)  # noqa: PTH120
    while len(way) > len(folder):
        if os.path.islink(way):  # noqa: PTH114
            raise cannot_write(Path(way), OSError(errno.ELOOP, os.strerror(errno.ELOOP)))
        way = os.path.dirname(way)  # noqa: PTH120


def _check_place(folder: str, place: _Place) -> None:
    try:
        found = os.stat(folder)  # noqa: PTH116
        if (found.st_dev, found.st_ino) == place:
            return
        what = "another folder has taken its name"
    except FileNotFoundError:
        what = "it was removed or moved"
    except OSError as error:
        what = (error.strerror or str(error)).lower()
    raise FolderGoneError(f'the folder "{folder}" was removed or replaced since this run began ({what}); run it again')


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` in UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def write_json(path: str | Path, record: Any) -> None:
    """Write plain data as indented JSON, whole or not at all. NaN and infinities are refused (`ValueError`).

    In ASCII: names of files that are no UTF-8 have no other form in JSON.
    """
    write_text(path, json.dumps(record, indent=2, allow_nan=False) + "\n")


def is_written(path: Path) -> bool:
    """Return whether there is such a file with something in it: a power cut may have emptied those of former
    versions."""
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:
        return False


def remove(path: str | Path) -> None:
    """Remove a file, where there is one. `ToolboxError` where that is not allowed, as to write it would be."""
    check_standing(path)
    try:
        Path(path).unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(Path(path), error) from error


def check_writable(folder: str | Path) -> None:
    """Make `folder` and try it; `ToolboxError` where nothing can be written there. For the start of long work."""
    probe = Path(folder) / f".{uuid.uuid4().hex}.probe"
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
    except OSError as error:
        raise cannot_write(Path(folder), error) from error
    finally:
        _remove_quietly(probe)


def remove_partial_files(folder: str | Path, older_than: float = 0.0) -> None:
    """Remove what writers that were killed have left in `folder`, files of at least this age in seconds.

    `ABANDONED_SECONDS` where others may be writing just now.
    """
    for path in chain.from_iterable(map(Path(folder).glob, _HALF)):
        with suppress(OSError):  # whoever was writing it has finished meanwhile
            if time.time() - path.stat().st_mtime >= older_than:
                path.unlink()


def cannot_write(path: Path, error: OSError) -> ToolboxError:
    """Return the sentence for a user whose file could not be written."""
    reason = _REASONS.get(error.errno or 0) or (error.strerror or str(error)).lower()
    kind = DiskFullError if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS) else ToolboxError
    return kind(f'cannot write "{path}": {reason}')


def _remove_quietly(path: Path) -> None:
    with suppress(OSError):  # it was renamed, or never made, or its folder is gone: nothing is left to do
        path.unlink()
