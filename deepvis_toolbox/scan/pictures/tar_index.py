"""Where the members of a tar lie: what is sound is kept, what is damaged, cut off or linked to nowhere is noted."""

from __future__ import annotations

import posixpath
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, NamedTuple

from deepvis_toolbox.errors import reason_of
from deepvis_toolbox.scan.pictures.unpacking_budget import UnpackingError

_BLOCK = tarfile.BLOCKSIZE
_MOST_NAME_BYTES = 1 << 20
_MOST_LINKS = 40
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_SPARSE = tarfile.GNUTYPE_SPARSE
_ZEROS = bytes(_BLOCK)
_CHUNK = 1 << 20
_SOUGHT_FOR_A_FIRST = 1 << 26
"""How far a tar is looked through for a first sound header."""
_MORE_SPARSE, _STILL_MORE_SPARSE = 482, 504
"""Where a sparse member's header, and each block behind it, says that another block follows."""


class Extent(NamedTuple):
    """Where a member's bytes lie in the archive."""

    offset: int
    size: int


@dataclass
class TarIndex:
    """The members of a tar by name, in its order, and what was not sound, a few words each."""

    members: dict[str, Extent] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class _Names:
    """What the special members before a header say of it."""

    path: str | None = None
    link: str | None = None
    size: int | None = None
    sparse: bool = False


def index_tar(file: IO[bytes], length: int | None = None) -> TarIndex:
    """Look through a tar from its beginning, past zeros between joined tars and past damaged headers.

    `file` can seek forward; `length` in bytes, where it is known. `tarfile.ReadError` where there is no tar,
    `UnpackingError` where that takes too long. Where the file cannot be read to its end, the index ends there, with a
    note.
    """
    index = TarIndex()
    scan = _Scan(file, index, length)
    try:
        scan.run()
    except (OSError, EOFError, zlib.error) as error:
        if not scan.headers or isinstance(error, UnpackingError):
            raise
        index.notes.append(f"cannot be read beyond byte {scan.position} ({reason_of(error)})")
    scan.resolve_links()
    return index


class _Scan:
    def __init__(self, file: IO[bytes], index: TarIndex, length: int | None) -> None:
        self._file = file
        self._length = length
        self._index = index
        self._links: dict[str, str] = {}
        self._sparse: list[str] = []
        self._sought: list[tuple[int, int]] = []
        self._ended = False
        self.position = 0
        self.headers = 0

    def run(self) -> None:
        names = _Names()
        for header in self._headers():
            names = self._take(header, names)
        if self.headers and not self._ended and not any("cut off" in note for note in self._index.notes):
            self._index.notes.append("has no end mark; it may have been cut off, and pictures may be missing")
        for first, last in self._sought:
            self._index.notes.append(f"is damaged from byte {first} to {last}: what lay there is left out")
        if self._sparse:
            self._index.notes.append(f"{len(self._sparse)} sparse members are left out, such as {self._sparse[0]}")

    def _headers(self) -> Iterator[tarfile.TarInfo]:
        """Yield the headers, each with `position` behind it; the caller moves `position` behind the member's bytes."""
        lost_from: int | None = None
        while True:
            self._file.seek(self.position)
            block = self._file.read(_BLOCK)
            if len(block) < _BLOCK:
                break
            if block == _ZEROS:
                self._ended = self._ended or lost_from is None
                self.position += _BLOCK
                self._skip_zeros()
                continue
            header = _header(block)
            if header is None:
                if not self.headers and self.position > _SOUGHT_FOR_A_FIRST:
                    break
                lost_from = self.position if lost_from is None else lost_from
                self.position += _BLOCK
                continue
            if lost_from is not None:
                self._sought.append((lost_from, self.position))
                lost_from = None
            self.headers += 1
            self._ended = False
            self.position += _BLOCK
            if header.type == _SPARSE:
                self._skip_sparse(block)
            yield header
        if not self.headers and (lost_from is not None or not self._ended):
            raise tarfile.ReadError("it is no tar")
        if lost_from is not None:
            self._sought.append((lost_from, self.position))
        elif 0 < len(block) < _BLOCK and block.strip(b"\0"):
            self._index.notes.append("is cut off within a member's header")

    def _skip_sparse(self, block: bytes) -> None:
        """Move behind the blocks that continue a sparse member's header."""
        more = block[_MORE_SPARSE]
        while more:
            self._file.seek(self.position)
            block = self._file.read(_BLOCK)
            more = block[_STILL_MORE_SPARSE] if len(block) == _BLOCK else 0
            self.position += _BLOCK

    def _skip_zeros(self) -> None:
        """Move over a long end of zeros in large steps."""
        while True:
            self._file.seek(self.position)
            chunk = self._file.read(_CHUNK)
            blank = len(chunk) - len(chunk.lstrip(b"\0"))
            self.position += blank // _BLOCK * _BLOCK
            if blank < _CHUNK:
                return

    def _take(self, header: tarfile.TarInfo, names: _Names) -> _Names:
        """Note one member; what it says of the next one is returned."""
        kind, start = header.type, self.position
        size = header.size if names.size is None else names.size
        linked = kind in (tarfile.LNKTYPE, tarfile.SYMTYPE)
        empty = linked or kind in (tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
        self.position = start if empty else start + -(-size // _BLOCK) * _BLOCK
        if kind in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
            text = _text(self._content(start, size).partition(b"\0")[0])
            if kind == tarfile.GNUTYPE_LONGNAME:
                names.path = text
            else:
                names.link = text
            return names
        if kind in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            return _with_records(names, self._content(start, size))
        if kind == tarfile.XGLTYPE:
            return names
        name = header.name if names.path is None else names.path.rstrip("/")
        if kind == _SPARSE or names.sparse:
            self._sparse.append(name)
        elif linked:
            self._link(name, header.linkname if names.link is None else names.link, kind)
        elif kind in _FILES:
            self._file_member(name, Extent(start, size))
        return _Names()

    def _file_member(self, name: str, extent: Extent) -> None:
        if extent.size and not self._reaches(extent.offset + extent.size):
            self._index.notes.append(f"is cut off; its last member, {name}, is left out")
            return
        self._links.pop(name, None)
        self._index.members[name] = extent

    def _reaches(self, end: int) -> bool:
        """Return whether the archive has the bytes up to `end`."""
        if self._length is not None:
            return end <= self._length
        self._file.seek(end - 1)
        return bool(self._file.read(1))

    def _link(self, name: str, target: str, kind: bytes) -> None:
        inside = target if kind == tarfile.LNKTYPE else posixpath.join(posixpath.dirname(name), target)
        self._links[name] = inside if inside.startswith("/") else posixpath.normpath(inside)
        self._index.members[name] = Extent(-1, 0)  # keeps its place in the order

    def _content(self, start: int, size: int) -> bytes:
        if size > _MOST_NAME_BYTES:
            self._index.notes.append(f"holds {size >> 20} MiB about a member at byte {start}, which are not read")
            return b""
        self._file.seek(start)
        return self._file.read(size)

    def resolve_links(self) -> None:
        """Give each link the place of the file that it leads to; take those away that lead to none."""
        members = self._index.members
        sound = {posixpath.normpath(name): name for name in members if name not in self._links}
        links = {posixpath.normpath(name): target for name, target in self._links.items()}
        lost: list[str] = []
        for name, target in self._links.items():
            for _ in range(_MOST_LINKS):
                key = posixpath.normpath(target)
                if key in sound or key not in links:
                    break
                target = links[key]
            found = sound.get(posixpath.normpath(target))
            if found is None:
                del members[name]
                lost.append(f"{name} → {self._links[name]}")
            else:
                members[name] = members[found]
        if lost:
            self._index.notes.append(f"{len(lost)} links lead to no file in it and are left out, such as {lost[0]}")


def _header(block: bytes) -> tarfile.TarInfo | None:
    """Return the member that the block is the header of; None where its checksum or its numbers are wrong."""
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return None
    return header if header.size >= 0 else None


def _text(name: bytes) -> str:
    return name.decode("utf-8", errors="surrogateescape")


def _with_records(names: _Names, content: bytes) -> _Names:
    """Return what a pax header says: records of `LENGTH KEY=VALUE` and a line feed. Reading ends at the first
    damaged one."""
    while content:
        length, blank, _ = content.partition(b" ")
        if not blank or not length.isdigit() or not len(length) + 1 < int(length) <= len(content):
            break
        key, _, value = content[len(length) + 1 : int(length) - 1].partition(b"=")
        content = content[int(length) :]
        if key == b"path":
            names.path = _text(value)
        elif key == b"linkpath":
            names.link = _text(value)
        elif key == b"size" and value.isdigit() and len(value) < 20:
            names.size = int(value)
        elif key.startswith(b"GNU.sparse."):
            names.sparse = True
    return names
