"""Gives memory back that the process has freed and keeps (`process_tuning`), once it is far more than passes need.

A window that stays open for a day is asked for much at one time or another: the pieces that are freed do not fit what
comes next, and what the process keeps grows in steps.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECONDS = 60.0
"""Between two looks."""
SPARE = 256 << 20
"""Bytes that are kept beyond what was kept at the first look after the last giving back."""
_STATUS = Path("/proc/self/status")


class _Mallinfo2(ctypes.Structure):
    """From malloc.h."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks",
                     "keepcost")
    ]  # fmt: skip


class KeptMemory:
    """`look` now and then, from the thread that runs the passes, between two of them; elsewhere than with glibc it does
    nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._due = clock, clock() + SECONDS
        self._usual: int | None = None
        self._library = _glibc()

    def look(self) -> bool:
        """Give back what is kept in excess, at most once in `SECONDS`; True where it did. The passes that follow take
        some of it again, which costs them a fraction of a second once."""
        if self._library is None or self._clock() < self._due:
            return False
        self._due = self._clock() + SECONDS
        kept = kept_bytes(self._library)
        if self._usual is None:
            self._usual = kept
        if kept <= self._usual + SPARE:
            return False
        self._library.malloc_trim(ctypes.c_size_t(0))
        self._usual = None
        return True


def kept_bytes(library: Any) -> int:
    """Return the bytes of this process's own memory that nobody uses."""
    resident = next(line for line in _STATUS.read_text().splitlines() if line.startswith("RssAnon:"))
    return max(0, (int(resident.split()[1]) << 10) - int(library.mallinfo2().uordblks))


def _glibc() -> Any:
    """Return the C library; None where it is another one, or too old to be asked."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    if not (hasattr(library, "mallinfo2") and hasattr(library, "malloc_trim") and _STATUS.is_file()):
        return None
    library.mallinfo2.restype = _Mallinfo2
    return library
