"""A GIF's first picture may cover a part of its canvas alone: what lies beside it is transparent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image

Part = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels."""


def covered_part(picture: Image.Image) -> Part | None:
    """Return left, top, right and bottom of a GIF's first picture where it leaves a part of the canvas free; before it
    is decoded."""
    if not isinstance(picture, GifImagePlugin.GifImageFile) or not picture.tile:
        return None
    left, top, right, bottom = picture.tile[0].extents or (0, 0, *picture.size)
    return None if (left, top, right, bottom) == (0, 0, *picture.size) else (left, top, right, bottom)


def with_nothing_beside(part: Part, pixels: NDArray[np.uint8], first_row: int) -> NDArray[np.uint8]:
    """Return rows of a picture, uint8 H×W×4, transparent beside the part, where Pillow paints some colour of a
    palette. `pixels`: the rows from `first_row` on, as Pillow gives them, uint8 H×W×3 or H×W×4."""
    left, right = part[0], part[2]
    top, bottom = (max(0, row - first_row) for row in (part[1], part[3]))
    covered = np.zeros((*pixels.shape[:2], 4), np.uint8)
    covered[top:bottom, left:right, 3] = 255
    covered[top:bottom, left:right, : pixels.shape[2]] = pixels[top:bottom, left:right]
    return covered
