"""A gzip file that can be read from any place: the decompression is kept at places on the way, to go on from there."""

from __future__ import annotations

import io
import zlib
from bisect import bisect_right
from dataclasses import dataclass
from typing import IO, Any

from deepvis_toolbox.scan.pictures.unpacking_budget import COST_OF_A_PART, UnpackingBudget

_GZIP = 31  # zlib's number for the format
_PACKED_CHUNK = 1 << 16
_UNPACKED_CHUNK = 1 << 20
_FIRST_STEP = 1 << 23
_MOST_PLACES = 256
"""Each holds some 50 kB; when there are more, every other one is dropped."""


@dataclass
class _Place:
    """Where the decompression stands."""

    unpacked: int
    packed: int
    """Where the file goes on; what is in `rest` comes first."""
    rest: bytes
    engine: Any = None
    """zlib's; None between two files that were joined."""

    def copy(self) -> _Place:
        return _Place(self.unpacked, self.packed, self.rest, self.engine and self.engine.copy())


class SeekableGzip(io.RawIOBase):
    """The unpacked bytes of a gzip file, joined ones too. zlib.error where it is damaged, EOFError where it is cut,
    `UnpackingError` where there are more than the budget allows."""

    def __init__(self, file: IO[bytes], budget: UnpackingBudget) -> None:
        self._file = file
        self._budget = budget
        self._position = 0
        self._here = _Place(0, 0, b"")
        self._places = [self._here.copy()]
        self._step = _FIRST_STEP

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place; what lies between is unpacked with the next reading."""
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("the end is not known")
        self._position = offset + (self._position if whence == io.SEEK_CUR else 0)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as the file reaches."""
        size = len(buffer)
        self._go_near(self._position)
        skipped = self._position - self._here.unpacked
        while skipped:
            piece = self._unpack(min(skipped, _UNPACKED_CHUNK))
            if not piece:
                return 0
            skipped -= len(piece)
        filled = 0
        while filled < size:
            piece = self._unpack(min(size - filled, _UNPACKED_CHUNK))
            if not piece:
                break
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
        self._position += filled
        return filled

    def _go_near(self, target: int) -> None:
        """Go to the last known place before `target`, unless the decompression stands between the two."""
        known = self._places[bisect_right([place.unpacked for place in self._places], target) - 1]
        if not known.unpacked <= self._here.unpacked <= target:
            self._here = known.copy()

    def _unpack(self, most: int) -> bytes:
        """Return the next bytes, up to `most`; empty at the end. The place is kept now and then."""
        here = self._here
        while True:
            if here.engine is None:  # between two joined files, or at the end; zeros may fill up
                here.rest = here.rest.lstrip(b"\0")
                while not here.rest:
                    if not self._fill():
                        return b""
                    here.rest = here.rest.lstrip(b"\0")
                self._budget.spend(COST_OF_A_PART)
                here.engine = zlib.decompressobj(_GZIP)
            came = bool(here.rest) or self._fill()
            piece: bytes = here.engine.decompress(here.rest, most)
            if here.engine.eof:
                here.rest, here.engine = here.engine.unused_data, None
            else:
                here.rest = here.engine.unconsumed_tail
                if not piece and not came:
                    raise EOFError("it is cut off")
            if piece:
                here.unpacked += len(piece)
                self._budget.spend(len(piece))
                self._remember()
                return piece

    def _fill(self) -> bool:
        """Read on; whether there was anything."""
        self._file.seek(self._here.packed)
        self._here.rest = self._file.read(_PACKED_CHUNK)
        self._here.packed += len(self._here.rest)
        self._budget.spend(len(self._here.rest))
        return bool(self._here.rest)

    def _remember(self) -> None:
        if self._here.unpacked - self._places[-1].unpacked < self._step:
            return
        self._places.append(self._here.copy())
        if len(self._places) > _MOST_PLACES:
            del self._places[1::2]
            self._step *= 2

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
