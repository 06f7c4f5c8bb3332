"""What TIFFs store in the place of samples that are like their neighbours: differences, which are added up again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DIFFERENCES, FLOAT_DIFFERENCES = 2, 3
"""What the tag of the predictor says."""


def floats_of(stored: NDArray[np.uint8], byte_order: str, are_differences: bool) -> NDArray[np.float32]:
    """Return the floats, float32 (rows, W, S), of a tile: uint8 (rows, W, 4 · S), as they lie in a file of this order
    of bytes, `<` or `>`.

    `are_differences`: each row holds all highest bytes first, then the next ones, as differences to the sample on the
    left (Adobe's third technical note on TIFF).
    """
    rows, width, depth = stored.shape
    if not are_differences:
        found = np.ascontiguousarray(stored).view(f"{byte_order}f4")
        return found.astype(np.float32).reshape(rows, width, depth // 4)
    differences = np.ascontiguousarray(stored).reshape(rows, 4 * width, depth // 4)
    planes = np.cumsum(differences, axis=1, dtype=np.uint8).reshape(rows, 4, -1)
    highest_first = np.ascontiguousarray(planes.transpose(0, 2, 1))
    return highest_first.view(">f4").astype(np.float32).reshape(rows, width, depth // 4)
