"""Pictures inside tar and zip archives, found and read without unpacking them."""

from __future__ import annotations

import io
import lzma
import os
import posixpath
import stat
import struct
import tarfile
import zipfile
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import IO

from deepvis_toolbox.errors import ToolboxError, os_reason_of, reason_of
from deepvis_toolbox.regular_file import open_regular
from deepvis_toolbox.scan.pictures.cut_zip import CutZipMembers
from deepvis_toolbox.scan.pictures.file_window import Window
from deepvis_toolbox.scan.pictures.seekable_gzip import SeekableGzip
from deepvis_toolbox.scan.pictures.tar_index import index_tar
from deepvis_toolbox.scan.pictures.unpacking_budget import UnpackingBudget
from deepvis_toolbox.scan.pictures.zip_packing import UNPACKERS, unpacked
from deepvis_toolbox.sources.picture_budget import MAX_FILE_BYTES

SEPARATOR = "::"
"""Between an archive's path and the name of a member: `train.tar::n01440764/1.jpg`."""
PACKED_SUFFIXES = (".tar.gz", ".tgz")
"""Archives whose members are reached by unpacking what lies before them."""
ARCHIVE_SUFFIXES = (".tar", ".zip", *PACKED_SUFFIXES)
FOREIGN_SUFFIXES = (
    *(".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".tar.lz4", ".tar.z"),
    *(".7z", ".rar", ".jar.gz"),
)
"""Archives that cannot be read in place."""
_OPEN_ARCHIVES = 16
_LOCAL_HEADER = 30
_MOST_LINK_BYTES = 4096
_DAMAGE = (
    *(OSError, ValueError, EOFError, OverflowError),
    RuntimeError,  # encrypted
    NotImplementedError,  # an unknown compression
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    lzma.LZMAError,
    MemoryError,
)
"""What reading a damaged archive raises."""


class TarMembers:
    """The members of a tar, packed with gzip or not: an index of places in one open file. No two threads at a time."""

    def __init__(self, file: IO[bytes], length: int, budget: UnpackingBudget, packed: bool = False) -> None:
        self._file = io.BufferedReader(SeekableGzip(file, budget)) if packed else file
        self.budget = budget
        index = index_tar(self._file, None if packed else length)
        self._extents = index.members
        self.notes = index.notes
        """What is not sound in the archive, a few words each, to be read behind its name."""

    def names(self) -> list[str]:
        """Return the files in the archive, in its order."""
        return list(self._extents)

    def __contains__(self, name: str) -> bool:
        return name in self._extents

    def size(self, name: str) -> int:
        """Return a member's bytes, unpacked. KeyError where there is none."""
        return self._extents[name][1]

    def read(self, name: str) -> bytes:
        """Return a member's bytes. KeyError where there is none, ValueError where it is too large."""
        offset, size = self._extents[name]
        _check_size(size)
        self._file.seek(offset)
        return self._file.read(size)

    def open(self, name: str) -> tuple[IO[bytes], int]:
        """Return a member as a file, and its size, valid as long as the archive is open. KeyError where there is
        none."""
        offset, size = self._extents[name]
        return io.BufferedReader(Window(self._file, offset, size)), size

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class ZipMembers:
    """The members of a zip. No two threads at a time."""

    def __init__(self, file: IO[bytes], budget: UnpackingBudget) -> None:
        self._file, self.budget = file, budget
        self._archive = zipfile.ZipFile(file)
        self.notes: list[str] = []
        """What is not sound in the archive, a few words each, to be read behind its name."""
        infos = [info for info in self._archive.infolist() if not info.is_dir()]
        self._names = list(dict.fromkeys(info.filename for info in infos))
        locked = [info.filename for info in infos if info.flag_bits & 1]
        if locked:
            self.notes.append(f"has {len(locked)} encrypted members, which cannot be read, such as {locked[0]}")
        first = min((info.header_offset for info in self._archive.infolist()), default=0)
        if first and _begins_with_a_member(file):
            self.notes.append("is several zips in one file: only the last one's pictures are seen; unpack the others")
        self._links = {info.filename for info in infos if stat.S_ISLNK(info.external_attr >> 16)}

    def names(self) -> list[str]:
        """Return the files in the archive, in its order."""
        return list(self._names)

    def __contains__(self, name: str) -> bool:
        return name in self._archive.NameToInfo

    def size(self, name: str) -> int:
        """Return the bytes that a member says it has, unpacked. KeyError where there is none."""
        return self._archive.getinfo(self._target(name)).file_size

    def read(self, name: str) -> bytes:
        """Return a member's bytes. KeyError where there is none, ValueError where it claims or turns out to be too
        large."""
        return self._bytes_of(self._archive.getinfo(self._target(name)))

    def open(self, name: str) -> tuple[IO[bytes], int]:
        """Return a member as a file, and its size, valid as long as the archive is open. KeyError where there is
        none."""
        info = self._archive.getinfo(self._target(name))
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            return io.BytesIO(self.read(name)), info.file_size
        return io.BufferedReader(Window(self._file, self._start(info), info.file_size)), info.file_size

    def _bytes_of(self, info: zipfile.ZipInfo) -> bytes:
        _check_size(max(info.file_size, info.compress_size))
        self.budget.spend(info.file_size + info.compress_size)
        if info.compress_type in UNPACKERS and not info.flag_bits & 1:
            self._file.seek(self._start(info))
            return unpacked(self._file.read(info.compress_size), info)
        return self._archive.read(info)

    def _start(self, info: zipfile.ZipInfo) -> int:
        """Return where a member's bytes begin in the file."""
        self._file.seek(info.header_offset)
        name_size, extra_size = struct.unpack("<26xHH", self._file.read(_LOCAL_HEADER))
        return info.header_offset + _LOCAL_HEADER + int(name_size) + int(extra_size)

    def _target(self, name: str) -> str:
        """Return the member that a link leads to, in the end."""
        for _ in range(len(self._links)):
            info = self._archive.getinfo(name)
            if name not in self._links or info.file_size > _MOST_LINK_BYTES:
                break
            to = self._bytes_of(info).decode(errors="surrogateescape")
            name = posixpath.normpath(posixpath.join(posixpath.dirname(name), to))
        return name

    def close(self) -> None:
        """Close the file."""
        self._archive.close()
        self._file.close()


def _begins_with_a_member(file: IO[bytes]) -> bool:
    file.seek(0)
    return file.read(4) == b"PK\x03\x04"


def _check_size(size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise ValueError(f"larger than {MAX_FILE_BYTES >> 20} MiB")


Members = TarMembers | ZipMembers | CutZipMembers


def is_archive_name(name: str) -> bool:
    """Return whether the name is that of an archive that can be read in place."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def open_archive(path: Path) -> Members:
    """Return the members of an archive, which unpacks, with those in it, no more than `MOST_UNPACKED` until its budget
    is lifted. `ToolboxError` where it is missing or damaged, or that is too little."""
    try:
        file = open_regular(path)
        return _members(file, path.name, os.fstat(file.fileno()).st_size, UnpackingBudget())
    except _DAMAGE as error:
        raise ToolboxError(f'the archive "{path}" cannot be read: {os_reason_of(error)}') from error


def open_inner(outer: Members, name: str) -> Members:
    """Return the members of an archive that is a member of another, open as long as that is. `ToolboxError` as
    above."""
    try:
        file, size = outer.open(name)
        return _members(file, name, size, outer.budget)
    except KeyError:
        raise ToolboxError("the archive has no such member") from None
    except _DAMAGE as error:
        raise ToolboxError(f'the archive "{name}" within it cannot be read: {os_reason_of(error)}') from error


def _zip_members(file: IO[bytes], budget: UnpackingBudget) -> Members:
    try:
        return ZipMembers(file, budget)
    except zipfile.BadZipFile:
        return CutZipMembers(file, "has lost its table of contents", budget)
    except (ValueError, IndexError, NotImplementedError, struct.error) as error:  # of one member, such as its name
        return CutZipMembers(file, f"has a table of contents that cannot be read ({reason_of(error)})", budget)


def _members(file: IO[bytes], name: str, size: int, budget: UnpackingBudget) -> Members:
    try:
        if name.lower().endswith(".zip"):
            return _zip_members(file, budget)
        return TarMembers(file, size, budget, packed=name.lower().endswith(PACKED_SUFFIXES))
    except BaseException:
        file.close()
        raise


def read_member(members: Members, name: str, most_bytes: int = MAX_FILE_BYTES) -> bytes:
    """Return a member's bytes. `ToolboxError` with the reason where that is impossible, or they are more."""
    try:
        if most_bytes < members.size(name) <= MAX_FILE_BYTES:
            raise ValueError(f"larger than {most_bytes} bytes")
        return members.read(name)
    except KeyError:
        raise ToolboxError("the archive has no such member") from None
    except _DAMAGE as error:
        raise ToolboxError(f"it cannot be taken out of the archive: {reason_of(error)}") from error


def opened_member(members: Members, name: str) -> IO[bytes] | None:
    """Return a member as a file, valid as long as the archive is open; None where it cannot be read."""
    try:
        return members.open(name)[0]
    except (KeyError, *_DAMAGE):
        return None


def split_member(name: str) -> tuple[str, str] | None:
    """Return (archive, member) of a picture inside an archive; None for a file of its own.

    Folders, archives and members may have the separator in their names: the archive is the first part that is a file.
    """
    parts = name.split(SEPARATOR)
    joined = (SEPARATOR.join(parts[:count]) for count in range(1, len(parts)))
    candidates = [archive for archive in joined if archive.lower().endswith(ARCHIVE_SUFFIXES)]
    if not candidates:
        return None
    archive = next((path for path in candidates if os.path.isfile(path)), candidates[0])  # noqa: PTH113
    return archive, name[len(archive) + len(SEPARATOR) :]


class ArchiveReader:
    """Reads members by name, those of archives in archives too, and keeps the archives used last open."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[str, ...], Members] = OrderedDict()

    def read(self, archive: str, member: str) -> bytes:
        """Return a member's bytes. `ToolboxError` with the reason where that is impossible."""
        outer = self._kept((archive,))
        if member in outer:
            return read_member(outer, member)
        inner = split_inner(outer, member)
        if inner is None:
            return read_member(outer, member)
        members = self._kept((archive, inner[0]))
        self._open.move_to_end((archive,))  # what lies in it is closed first
        return read_member(members, inner[1])

    def _kept(self, key: tuple[str, ...]) -> Members:
        if key not in self._open:
            opened = open_inner(self._open[key[:1]], key[1]) if len(key) > 1 else open_archive(Path(key[0]))
            opened.budget.lift()
            self._open[key] = opened
            if len(self._open) > _OPEN_ARCHIVES:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(key)
        return self._open[key]


def split_inner(outer: Members, member: str) -> tuple[str, str] | None:
    """Return (archive, member) of a picture in an archive that is itself a member of `outer`; None where there is
    none."""
    parts = member.split(SEPARATOR)
    joined = (SEPARATOR.join(parts[:count]) for count in range(1, len(parts)))
    archive = next((name for name in joined if is_archive_name(name) and name in outer), None)
    return None if archive is None else (archive, member[len(archive) + len(SEPARATOR) :])
