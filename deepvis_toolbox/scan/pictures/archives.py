"""Pictures inside tar and zip archives, found and read without unpacking them."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import IO, NamedTuple

from deepvis_toolbox.errors import ToolboxError, os_reason_of, reason_of

SEPARATOR = "::"
"""Between an archive's path and the name of a member: `train.tar::n01440764/1.jpg`."""
ARCHIVE_SUFFIXES = (".tar", ".zip")
COMPRESSED_SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
"""Archives whose members can only be reached by decompressing all before them."""
MAX_MEMBER_BYTES = 1 << 28
_OPEN_ARCHIVES = 16
_DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    OverflowError,
    RuntimeError,  # encrypted
    NotImplementedError,  # an unknown compression
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
"""What reading a damaged archive raises."""


class _Stretch(NamedTuple):
    """Where a member's bytes are in the archive."""

    offset: int
    size: int


class TarMembers:
    """The members of a plain tar: an index of places in one open file. No two threads at a time."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("rb")
        with tarfile.open(fileobj=self._file, mode="r:") as archive:
            self._members = {
                m.name: _Stretch(m.offset_data, m.size) for m in archive if m.isfile() and not m.issparse()
            }

    def names(self) -> list[str]:
        """The files in the archive, in its order."""
        return list(self._members)

    def read(self, name: str) -> bytes:
        """A member's bytes. KeyError where there is none, ValueError where it is too large."""
        offset, size = self._members[name]
        if size > MAX_MEMBER_BYTES:
            raise ValueError(f"larger than {MAX_MEMBER_BYTES >> 20} MiB")
        self._file.seek(offset)
        return self._file.read(size)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


class ZipMembers:
    """The members of a zip. No two threads at a time."""

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)

    def names(self) -> list[str]:
        """The files in the archive, in its order."""
        return [info.filename for info in self._archive.infolist() if not info.is_dir()]

    def read(self, name: str) -> bytes:
        """A member's bytes. KeyError where there is none, ValueError where it claims or turns out to be too large."""
        if self._archive.getinfo(name).file_size > MAX_MEMBER_BYTES:
            raise ValueError(f"larger than {MAX_MEMBER_BYTES >> 20} MiB")
        return self._archive.read(name)

    def close(self) -> None:
        """Closes the file."""
        self._archive.close()


Members = TarMembers | ZipMembers


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive that can be read in place."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


def open_archive(path: Path) -> Members:
    """The members of an archive. `ToolboxError` where it is missing or damaged."""
    try:
        return ZipMembers(path) if path.name.lower().endswith(".zip") else TarMembers(path)
    except _DAMAGE as error:
        raise ToolboxError(f'the archive "{path}" cannot be read: {os_reason_of(error)}') from error


def read_member(members: Members, name: str) -> bytes:
    """A member's bytes. `ToolboxError` with the reason where that is impossible."""
    try:
        return members.read(name)
    except KeyError:
        raise ToolboxError("the archive has no such member") from None
    except _DAMAGE as error:
        raise ToolboxError(f"it cannot be taken out of the archive: {reason_of(error)}") from error


def split_member(name: str) -> tuple[str, str] | None:
    """(archive, member) of a picture inside an archive; None for a file of its own."""
    archive, separator, member = name.partition(SEPARATOR)
    return (archive, member) if separator and archive.lower().endswith(ARCHIVE_SUFFIXES) else None


class ArchiveReader:
    """Reads members by name and keeps the archives used last open."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Members] = OrderedDict()

    def read(self, archive: str, member: str) -> bytes:
        """A member's bytes. `ToolboxError` with the reason where that is impossible."""
        return read_member(self._members(archive), member)

    def _members(self, archive: str) -> Members:
        if archive not in self._open:
            self._open[archive] = open_archive(Path(archive))
            if len(self._open) > _OPEN_ARCHIVES:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(archive)
        return self._open[archive]
