"""Rows that are collected until they are worth looking at together."""

from __future__ import annotations

import torch


class RowBuffer:
    """Room for `capacity` rows of `width` float32 values, which is filled, emptied and filled again.

    The memory stays: blocks that come and go would make the network's large ones wander, out of the processor's cache.
    """

    def __init__(self, capacity: int, width: int, device: torch.device) -> None:
        self._rows = torch.empty((capacity, width), device=device)
        self._filled = 0

    def has_room_for(self, count: int) -> bool:
        """Return whether so many more rows fit."""
        return self._filled + count <= len(self._rows)

    def add(self, rows: torch.Tensor) -> torch.Tensor:
        """Take in rows, float32 (R, width), from any device; return the buffer's own copy of them, a view."""
        first, self._filled = self._filled, self._filled + len(rows)
        return self._rows[first : self._filled].copy_(rows)

    def take(self) -> torch.Tensor:
        """Return all rows, float32 (R, width), and empty the buffer; they are valid until the next are added."""
        filled, self._filled = self._filled, 0
        return self._rows[:filled]
