"""Lines that another process says, waited for no longer than one likes; of a line that has only begun, too."""

from __future__ import annotations

import os
import select
import time
from typing import IO

MOST_BYTES = 1 << 24
"""A process that says more without an end of line talks nonsense."""
_AT_A_TIME = 1 << 16


class LineReader:
    """Reads a pipe that nobody else reads. No two threads at a time."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._unread = bytearray()
        self._is_at_end = False

    def wait(self, seconds: float) -> bool:
        """Return whether within `seconds` a whole line is there, or the end.

        ValueError where the line is longer than `MOST_BYTES`, or the pipe is closed at this end.
        """
        until = time.monotonic() + seconds
        while not self._has_line():
            asked = select.poll()
            asked.register(self._pipe, select.POLLIN)
            if not asked.poll(max(0.0, until - time.monotonic()) * 1000):
                return False
            self._take_in()
        return True

    def line(self) -> bytes:
        """Return the next line with its end, however long that takes; without one at the end. Errors as `wait`."""
        while not self._has_line():
            self._take_in()
        line, ending, rest = self._unread.partition(b"\n")
        self._unread = rest
        return bytes(line + ending)

    def _has_line(self) -> bool:
        return self._is_at_end or b"\n" in self._unread

    def _take_in(self) -> None:
        piece = os.read(self._pipe.fileno(), _AT_A_TIME)
        self._is_at_end = not piece
        self._unread += piece
        if len(self._unread) > MOST_BYTES:
            raise ValueError("a line without an end")
