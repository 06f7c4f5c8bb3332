"""Flat shapes: frames, lines, bars, and dimming what is already there."""

from __future__ import annotations

import math

import cv2

from deepvis_toolbox.drawing.colours import Colour, Pixels
from deepvis_toolbox.drawing.grid import Box


def clear(pixels: Pixels, colour: Colour) -> None:
    """Paint all `pixels`, uint8 (H, W, 3), in one colour."""
    height, width = pixels.shape[:2]
    fill(pixels, Box(0, 0, height, width), colour)


def fill(pixels: Pixels, box: Box, colour: Colour) -> None:
    """Paint a rectangle on `pixels`, uint8 (H, W, 3); what lies outside them is cut off.

    OpenCV does this many times faster than NumPy.
    """
    if pixels.size and box.height > 0 and box.width > 0:
        cv2.rectangle(pixels, (box.left, box.top), (box.right - 1, box.bottom - 1), colour, cv2.FILLED)


def frame(pixels: Pixels, box: Box, colour: Colour, thickness: int = 1) -> None:
    """Paint a frame around the box on `pixels`, uint8 (H, W, 3): just outside it; at their edge, just inside them."""
    top, left, bottom, right = _around(pixels, box, thickness)
    fill(pixels, Box(top, left, top + thickness, right), colour)
    fill(pixels, Box(bottom - thickness, left, bottom, right), colour)
    fill(pixels, Box(top, left, bottom, left + thickness), colour)
    fill(pixels, Box(top, right - thickness, bottom, right), colour)


def corners(pixels: Pixels, box: Box, colour: Colour, thickness: int, length: int) -> None:
    """Paint the four corners of a frame around the box on `pixels`, uint8 (H, W, 3): a mark that is no selection.

    Each arm is `length` pixels long.
    """
    outer = _around(pixels, box, thickness)
    length = min(length, outer.height, outer.width)
    for top in (outer.top, outer.bottom - thickness):
        fill(pixels, Box(top, outer.left, top + thickness, outer.left + length), colour)
        fill(pixels, Box(top, outer.right - length, top + thickness, outer.right), colour)
    for left in (outer.left, outer.right - thickness):
        fill(pixels, Box(outer.top, left, outer.top + length, left + thickness), colour)
        fill(pixels, Box(outer.bottom - length, left, outer.bottom, left + thickness), colour)


def _around(pixels: Pixels, box: Box, thickness: int) -> Box:
    """Return the box grown by the thickness, within the pixels."""
    height, width = pixels.shape[:2]
    return Box(
        max(0, box.top - thickness),
        max(0, box.left - thickness),
        min(height, box.bottom + thickness),
        min(width, box.right + thickness),
    )


def bar(pixels: Pixels, box: Box, share: float, colour: Colour, background: Colour, start: float = 0.0) -> None:
    """Draw a horizontal bar on `pixels`, uint8 (H, W, 3), filled from `start` to `share`.

    Both are 0 to 1; anything else is cut off, and NaN counts as 0.
    """
    ends = sorted(box.left + round(box.width * _within_one(end)) for end in (start, share))
    fill(pixels, box, background)
    fill(pixels, box._replace(left=ends[0], right=ends[1]), colour)


def _within_one(share: float) -> float:
    return min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0


def dim(pixels: Pixels, share: float) -> None:
    """Leave `share` (0 to 1) of the brightness of `pixels`, uint8 (H, W, 3)."""
    if pixels.size:
        cv2.convertScaleAbs(pixels, dst=pixels, alpha=share)
