"""A colour for each class, and the map of classes over a picture."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.drawing.colours import Colour, Pixels

CLASS_SHARE = 0.55
"""How much of the colour is seen; the rest is the picture."""
_GOLDEN = 0.6180339887


@lru_cache(maxsize=8)
def class_colours(count: int) -> NDArray[np.uint8]:
    """Return a colour for each of so many classes, RGB uint8 (count, 3): neighbours' hues are far from each other."""
    number = np.arange(count)
    hue = (0.02 + number * _GOLDEN) % 1 * 179
    saturation, value = 210 - 70 * (number // 7 % 2), 255 - 75 * (number // 14 % 2)
    hsv = np.stack([hue, saturation, value], 1).astype(np.uint8)[None]
    colours = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0], np.uint8)
    colours.setflags(write=False)
    return colours


def class_colour(index: int, count: int) -> Colour:
    """Return the colour of one of so many classes."""
    red, green, blue = class_colours(count)[index]
    return int(red), int(green), int(blue)


def paint_classes(pixels: Pixels, classes: NDArray[np.int32], count: int) -> None:
    """Lay `classes`, int (h, w), over `pixels`, uint8 (H, W, 3), in the colours of so many classes; where a place has
    none, below 0, the picture is seen."""
    rows = np.arange(pixels.shape[0]) * classes.shape[0] // pixels.shape[0]
    columns = np.arange(pixels.shape[1]) * classes.shape[1] // pixels.shape[1]
    spread = classes[rows[:, None], columns]
    there = spread >= 0
    colours = class_colours(count)[spread[there]]
    pixels[there] = (pixels[there] * (1 - CLASS_SHARE) + colours * CLASS_SHARE).astype(np.uint8)
