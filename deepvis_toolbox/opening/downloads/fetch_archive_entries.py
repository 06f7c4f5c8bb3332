"""The entries of a tar archive that somebody else has made: read one by one, within limits, or refused."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from deepvis_toolbox.errors import ToolboxError, reason_of
from deepvis_toolbox.opening.downloads.fetch_places import problem_of_name

LARGEST_BYTES = 16 << 30
LARGEST_COUNT = 500_000
"""Of files; and of entries of other kinds."""
LARGEST_FOLDERS = 50_000
LARGEST_HEADER = 256 << 10
"""Of all that stands before one file: long names, attributes, maps of holes."""
MOST_ATTRIBUTES = 100
"""That an archive gives to all its files, which are kept."""
BROKEN = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError, RecursionError, OverflowError)
"""What reading a broken archive raises. RecursionError: a chain of headers that are followed by headers."""


class BrokenArchiveError(ToolboxError):
    """The file is no archive, or not a whole one."""


def broken(archive: Path, error: BaseException) -> BrokenArchiveError:
    """Return the sentence for an archive that could not be read."""
    return BrokenArchiveError(f"{archive}: is no tar archive, or a broken one ({reason_of(error)})")


@dataclass(frozen=True)
class Entry:
    """A plain file or folder of an archive."""

    name: str
    path: PurePosixPath
    is_folder: bool
    size: int
    content: Callable[[], IO[bytes] | None]
    """Opens what a file holds; until the next entry is asked for."""


def entries(archive: Path) -> Iterator[Entry]:
    """Yield each file and folder; `ToolboxError` at one that is not plain, or with which it is too much."""
    tally = _Tally(archive)
    with _opened(archive) as stream:
        guarded = _Guarded(stream, archive)
        with tarfile.open(fileobj=cast(IO[bytes], guarded), mode="r:") as tar:
            while (member := guarded.next_of(tar)) is not None:
                path = _inner_path(member, archive)
                tally.count(member, path, guarded.header_bytes)
                size = member.size if member.isreg() else 0
                yield Entry(member.name, path, member.isdir(), size, partial(tar.extractfile, member))
    if not tally.entries:
        raise BrokenArchiveError(f"{archive}: is empty, or no tar archive")


def _opened(archive: Path) -> IO[bytes]:
    with archive.open("rb") as file:
        is_compressed = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(archive, "rb")) if is_compressed else archive.open("rb")


def _inner_path(member: tarfile.TarInfo, archive: Path) -> PurePosixPath:
    name, path = member.name[:100], PurePosixPath(member.name)
    if member.issparse():
        raise ToolboxError(f'{archive}: "{name}" is a file with holes; archives of plain files only are unpacked')
    if member.size < 0:
        raise BrokenArchiveError(f'{archive}: "{name}" has less than no bytes')
    if not (member.isreg() or member.isdir()):
        raise ToolboxError(f'{archive}: "{name}" is a link or a device; archives of plain files only are unpacked')
    if path.is_absolute() or ".." in path.parts:
        raise ToolboxError(f'{archive}: "{name}" leads out of its folder; the archive was not unpacked')
    if problem := problem_of_name(member.name):
        raise ToolboxError(f'{archive}: the name "{name}" {problem}; the archive was not unpacked')
    return path


class _Tally:
    """Counts what an archive holds; `ToolboxError` where it is too much."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self.entries = 0
        self._files = self._bytes = 0
        self._folders: set[PurePosixPath] = set()

    def count(self, member: tarfile.TarInfo, path: PurePosixPath, header_bytes: int) -> None:
        """Count one entry, what stood before it, and the folders that it needs."""
        self.entries += 1
        self._files += member.isreg()
        self._bytes += header_bytes + (member.size if member.isreg() else 0)
        self._note_folders(path if member.isdir() else path.parent)
        if self._files > LARGEST_COUNT or self.entries > 2 * LARGEST_COUNT or self._bytes > LARGEST_BYTES:
            raise ToolboxError(f"{self._archive}: holds more than {LARGEST_COUNT} files or {LARGEST_BYTES >> 30} GiB")
        if len(self._folders) > LARGEST_FOLDERS:
            raise ToolboxError(f"{self._archive}: holds more than {LARGEST_FOLDERS} folders")

    def _note_folders(self, folder: PurePosixPath) -> None:
        for each in (folder, *folder.parents):
            if each in self._folders:  # and so are those around it
                return
            self._folders.add(each)


class _Guarded:
    """A stream from which a limited amount is read before each file: an archive's reader believes what headers say."""

    def __init__(self, stream: IO[bytes], archive: Path) -> None:
        self._stream = stream
        self._archive = archive
        self._is_header = True
        self.header_bytes = 0

    def next_of(self, tar: tarfile.TarFile) -> tarfile.TarInfo | None:
        """Return the archive's next entry; None after the last one."""
        self._is_header, self.header_bytes = True, 0
        member = tar.next()
        self._is_header = False
        tar.members = []  # type: ignore[attr-defined]  # it would remember them all
        if len(tar.pax_headers) > MOST_ATTRIBUTES:
            raise ToolboxError(f"{self._archive}: has more than {MOST_ATTRIBUTES} attributes; it is no honest archive")
        return member

    def read(self, size: int = -1) -> bytes:
        """Read; `ToolboxError` where a header asks for more than an honest one does."""
        if self._is_header:
            if not 0 <= size <= LARGEST_HEADER - self.header_bytes:
                raise ToolboxError(f"{self._archive}: has too large a header before a file; it is no honest archive")
            self.header_bytes += size
        return self._stream.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
