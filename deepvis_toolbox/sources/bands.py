"""Large pictures worked off in bands of rows, so that what a step needs beside its result stays small."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Rows = Callable[[int, int], NDArray[np.uint8]]
"""Gives the rows from one number up to another one, uint8 (rows, W, channels)."""

_BAND_PIXELS = 1 << 20


def from_bands(size: tuple[int, int], rows: Rows) -> NDArray[np.uint8]:
    """Return all rows, uint8 (H, W, channels), of a picture of `size` (width, height)."""
    width, height = size
    step = max(1, _BAND_PIXELS // max(width, 1))
    first = rows(0, min(step, height))
    whole = np.empty((height, *first.shape[1:]), np.uint8)
    whole[: len(first)] = first
    for top in range(step, height, step):
        bottom = min(top + step, height)
        whole[top:bottom] = rows(top, bottom)
    return whole
