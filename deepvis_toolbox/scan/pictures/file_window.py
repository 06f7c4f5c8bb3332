"""A part of an open file, as a file."""

from __future__ import annotations

import io
from typing import IO, Any


class Window(io.RawIOBase):
    """A part of an open file, as a file."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file, self._start, self._size = file, start, size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as the part reaches."""
        size = max(0, min(len(buffer), self._size - self._position))
        self._file.seek(self._start + self._position)
        piece = self._file.read(size)
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)
