"""One picture or one map, as large as a pane allows."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.drawing.colours import Palette, Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.tiles import colourise

NEARLY_THE_SAME = 0.9
"""Averaging over areas, the slow way to shrink, only below this share of the size; above, it changes nothing to see."""

TINY = 12
"""Pixels: a picture whose longer side is shorter is shown pixel by pixel."""


def fitted_box(shape: tuple[int, int], pane: tuple[int, int]) -> Box:
    """Return where a picture of `shape` (height, width) lies in a `pane` (height, width), all in pixels.

    It is as large as fits, at the top, in the centre.
    """
    scale = min(pane[0] / shape[0], pane[1] / shape[1])
    height, width = max(1, int(shape[0] * scale)), max(1, int(shape[1] * scale))
    left = (pane[1] - width) // 2
    return Box(0, left, height, left + width)


def paint_picture(pixels: Pixels, picture: NDArray[np.uint8]) -> Box:
    """Paint an RGB picture, uint8 (H, W, 3), into the pane `pixels`, uint8 (H', W', 3); return the box it fills.

    A picture of a few pixels stays one of squares: smoothed, its colours would be those of no pixel.
    """
    box = fitted_box(picture.shape[:2], pixels.shape[:2])
    _resize_into(pixels[box.top : box.bottom, box.left : box.right], picture, smooth=max(picture.shape[:2]) >= TINY)
    return box


def paint_map(pixels: Pixels, indices: NDArray[np.uint8], palette: Palette, smooth: bool = True) -> Box:
    """Paint one map of palette indices, uint8 (H, W), into the pane `pixels`; return the box it fills."""
    box = fitted_box(indices.shape, pixels.shape[:2])
    large = np.empty((box.height, box.width), np.uint8)
    _resize_into(large, indices, smooth)
    colourise(pixels[box.top : box.bottom, box.left : box.right], np.maximum(large, 1), palette)
    return box


def _resize_into(target: NDArray[np.uint8], source: NDArray[np.uint8], smooth: bool) -> None:
    if not target.size:
        return
    height, width = target.shape[:2]
    shrinks = height < NEARLY_THE_SAME * source.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC if smooth else cv2.INTER_NEAREST
    target[...] = cv2.resize(source, (width, height), interpolation=method)
