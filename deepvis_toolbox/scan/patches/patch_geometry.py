"""What a unit at a place sees of the picture: its receptive field, cut out and padded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.words.layer import Rect


def shown_rect(field: Rect, height: int, width: int) -> Rect:
    """The part that is shown of a picture of height×width: the field, or the whole side where the field exceeds it."""
    top, bottom = (field.top, field.bottom) if field.bottom - field.top <= height else (0, height)
    left, right = (field.left, field.right) if field.right - field.left <= width else (0, width)
    return Rect(top, left, bottom, right)


def cut_out(image: NDArray, rect: Rect, padding: float) -> NDArray:
    """Return the rectangle of an image (H, W, channels), in its dtype; what lies outside the image is `padding`."""
    height, width = image.shape[:2]
    cut = np.full((rect.bottom - rect.top, rect.right - rect.left, image.shape[2]), padding, image.dtype)
    top, bottom = max(rect.top, 0), min(rect.bottom, height)
    left, right = max(rect.left, 0), min(rect.right, width)
    if top < bottom and left < right:
        cut[top - rect.top : bottom - rect.top, left - rect.left : right - rect.left] = image[top:bottom, left:right]
    return cut
