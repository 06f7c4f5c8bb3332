"""How much may be unpacked to find out what is in an archive: a small file can be packed from terabytes of zeros."""

from __future__ import annotations

import math

MOST_UNPACKED = 64 << 30
"""Bytes, packed ones that are read and unpacked ones together: a minute's work where they are zeros."""
COST_OF_A_PART = 4096
"""Bytes that beginning one more packed part counts as: it takes time, though it may hold nothing."""


class UnpackingError(OSError):
    """The budget is used up."""


class UnpackingBudget:
    """Counts down the bytes that may still be unpacked, in an archive with those in it."""

    def __init__(self) -> None:
        self._left: float = MOST_UNPACKED

    def spend(self, count: int) -> None:
        """Count bytes. `UnpackingError`, then and ever after, where they are too many."""
        self._left -= count
        if self._left < 0:
            raise UnpackingError(
                f"finding its pictures takes more than {MOST_UNPACKED >> 30} GiB of unpacking; unpack it to a folder "
                "first, or make a plain .tar or a .zip of it"
            )

    def lift(self) -> None:
        """Let be unpacked whatever is asked for: what is in the archive is known."""
        self._left = math.inf
