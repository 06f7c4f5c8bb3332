"""Frequencies of an image's spectrum, in cycles across its longer side: the same shape at any size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cycles_across(size: tuple[int, int]) -> NDArray[np.float64]:
    """Return the frequencies of `rfft2`, float64 (H, W // 2 + 1), for images of the size (H, W)."""
    rows, columns = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None]
    return np.hypot(rows, columns) * max(size)
