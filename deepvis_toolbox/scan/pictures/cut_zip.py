"""A zip whose table of contents at the end is lost or damaged: its members are found one after the other from the
beginning."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from typing import IO, NamedTuple

from deepvis_toolbox.scan.pictures.unpacking_budget import UnpackingBudget
from deepvis_toolbox.sources.picture_budget import MAX_FILE_BYTES

_HEADER = struct.Struct("<4s5H3I2H")
_SIGNATURE = b"PK\x03\x04"
_AFTER = b"PK\x07\x08"
"""May stand before the sizes that follow a member, where its header did not know them."""
_ENCRYPTED, _SIZES_FOLLOW, _UTF8 = 1, 8, 0x800
_CHUNK = 1 << 16


class _Place(NamedTuple):
    start: int
    packed: int
    size: int
    checksum: int
    method: int


class CutZipMembers:
    """The members of a zip that was cut off, or is damaged as `why` says. zipfile.BadZipFile where there is none. No
    two threads at a time."""

    def __init__(self, file: IO[bytes], why: str, budget: UnpackingBudget) -> None:
        self._file, self.budget = file, budget
        self._length = file.seek(0, os.SEEK_END)
        self._places: dict[str, _Place] = {}
        end = self._find()
        if not self._places:
            raise zipfile.BadZipFile("it is no zip, or is cut off within its first member")
        self.notes = [f"{why}: it is read up to byte {end}, and pictures may be missing"]
        """What is not sound in the archive, a few words each, to be read behind its name."""

    def _find(self) -> int:
        position = 0
        while True:
            self._file.seek(position)
            head = self._file.read(_HEADER.size)
            if len(head) < _HEADER.size or not head.startswith(_SIGNATURE):
                return position
            _, _, flags, method, _, _, checksum, packed, size, name_bytes, extra_bytes = _HEADER.unpack(head)
            name = self._file.read(name_bytes).decode("utf-8" if flags & _UTF8 else "cp437", errors="replace")
            start = position + _HEADER.size + name_bytes + extra_bytes
            place = _Place(start, packed, size, checksum, method)
            if flags & _SIZES_FOLLOW and not packed:
                found = self._measured(start, method)
                if found is None:
                    return position
                place, end = found
            else:
                end = start + packed
            if end > self._length or packed == 0xFFFFFFFF:
                return position
            if not name.endswith("/") and not flags & _ENCRYPTED:
                self._places[name] = place
            position = end

    def _measured(self, start: int, method: int) -> tuple[_Place, int] | None:
        """Return a deflated member whose header does not know its size, and where it ends; None where it is not
        whole."""
        if method != zipfile.ZIP_DEFLATED:
            return None
        engine, size, checksum, packed = zlib.decompressobj(-zlib.MAX_WBITS), 0, 0, 0
        self._file.seek(start)
        while not engine.eof:
            chunk = self._file.read(_CHUNK)
            if not chunk:
                return None
            packed += len(chunk)
            while chunk and not engine.eof:
                try:
                    piece = engine.decompress(chunk, 1 << 20)
                except zlib.error:
                    return None
                self.budget.spend(len(piece))
                size, checksum, chunk = size + len(piece), zlib.crc32(piece, checksum), engine.unconsumed_tail
        packed -= len(engine.unused_data)
        self._file.seek(start + packed)
        behind = self._file.read(4) == _AFTER
        return _Place(start, packed, size, checksum, method), start + packed + (16 if behind else 12)

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def names(self) -> list[str]:
        """Return the whole files in the archive, in its order."""
        return list(self._places)

    def size(self, name: str) -> int:
        """Return a member's bytes, unpacked. KeyError where there is none."""
        return self._places[name].size

    def read(self, name: str) -> bytes:
        """Return a member's bytes. KeyError where there is none; ValueError, BadZipFile, zlib.error where it is not
        sound."""
        place = self._places[name]
        if max(place.size, place.packed) > MAX_FILE_BYTES:
            raise ValueError(f"larger than {MAX_FILE_BYTES >> 20} MiB")
        if place.method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise NotImplementedError(f"compressed by method {place.method}, which cannot be read from a cut archive")
        self.budget.spend(place.size + place.packed)
        self._file.seek(place.start)
        data = self._file.read(place.packed)
        if place.method == zipfile.ZIP_DEFLATED:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, place.size + 1)
        if len(data) != place.size or zlib.crc32(data) != place.checksum:
            raise zipfile.BadZipFile("its checksum is wrong")
        return data

    def open(self, name: str) -> tuple[IO[bytes], int]:
        """Return a member as a file, and its size. KeyError where there is none."""
        data = self.read(name)
        return io.BytesIO(data), len(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
