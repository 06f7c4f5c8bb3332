"""Unpacks a fetched tar archive: plain files and folders only, inside one folder, up to a limit."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from deepvis_toolbox.atomic_files import cannot_write
from deepvis_toolbox.errors import ToolboxError, reason_of

LARGEST_BYTES = 16 << 30
LARGEST_COUNT = 500_000
DEEPEST = 50
_LARGEST_READ = 16 << 20
"""The most that is read at once; a header that asks for more is not an honest one."""


class BrokenArchiveError(ToolboxError):
    """The file is no archive, or not a whole one."""


def unpack(archive: Path, folder: Path) -> int:
    """Unpack `archive` (.tar, .tar.gz) into `folder`; give the number of files. All of it, or nothing.

    Raises `BrokenArchiveError` where it is broken, and `ToolboxError` where it has a link, a device or a path that
    leaves the folder, or is too large.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder.parent) as waiting:
            count = _unpack_all(archive, Path(waiting))
            _move_into(Path(waiting), folder)
            return count
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError) as error:
        raise BrokenArchiveError(f"{archive}: is no tar archive, or a broken one ({reason_of(error)})") from None
    except OSError as error:
        raise cannot_write(folder, error) from error


def _unpack_all(archive: Path, folder: Path) -> int:
    count = size = 0
    with _opened(archive) as stream, tarfile.open(fileobj=cast(IO[bytes], _Guarded(stream, archive)), mode="r:") as tar:
        for member in _members(tar, archive):
            path = folder / _inner_path(member, archive)
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            count, size = count + 1, size + member.size
            if count > LARGEST_COUNT or size > LARGEST_BYTES:
                raise ToolboxError(f"{archive}: holds more than {LARGEST_COUNT} files or {LARGEST_BYTES >> 30} GiB")
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_member(tar, member, path)
    return count


def _opened(archive: Path) -> IO[bytes]:
    with archive.open("rb") as file:
        is_compressed = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(archive, "rb")) if is_compressed else archive.open("rb")


def _members(tar: tarfile.TarFile, archive: Path) -> Iterator[tarfile.TarInfo]:
    count = 0
    while (member := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined]  # it would remember them all
        count += 1
        if count > 2 * LARGEST_COUNT:
            raise ToolboxError(f"{archive}: has more than {2 * LARGEST_COUNT} entries")
        yield member
    if not count:
        raise BrokenArchiveError(f"{archive}: is empty, or no tar archive")


def _inner_path(member: tarfile.TarInfo, archive: Path) -> PurePosixPath:
    path = PurePosixPath(member.name)
    if not (member.isreg() or member.isdir()):
        raise ToolboxError(
            f'{archive}: "{member.name}" is a link or a device; archives of plain files only are unpacked'
        )
    if path.is_absolute() or ".." in path.parts or "\0" in member.name or "\\" in member.name:
        raise ToolboxError(f'{archive}: "{member.name}" leads out of its folder; the archive was not unpacked')
    if len(path.parts) > DEEPEST:
        raise ToolboxError(f"{archive}: has folders {len(path.parts)} deep; more than {DEEPEST} are not made")
    return path


def _write_member(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = tar.extractfile(member)
    if path.is_dir() or source is None:
        raise ToolboxError(f'"{member.name}" is in the archive twice, as a file and as a folder')
    with source, path.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def _move_into(waiting: Path, folder: Path) -> None:
    for path in sorted(waiting.rglob("*")):
        target = folder / path.relative_to(waiting)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            path.replace(target)


class _Guarded:
    """A stream from which no honest archive reads much at once."""

    def __init__(self, stream: IO[bytes], archive: Path) -> None:
        self._stream = stream
        self._archive = archive

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LARGEST_READ:
            raise ToolboxError(f"{self._archive}: has a header of {size} bytes; it is not an honest archive")
        return self._stream.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
