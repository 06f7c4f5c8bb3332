"""Flat shapes: frames, lines, bars, and dimming what is already there."""

from __future__ import annotations

import cv2
import numpy as np

from deepvis_toolbox.drawing.colours import Colour, Pixels
from deepvis_toolbox.drawing.grid import Box


def fill(pixels: Pixels, box: Box, colour: Colour) -> None:
    """Paints a rectangle; what lies outside the pixels is cut off."""
    top, left = max(0, box.top), max(0, box.left)
    pixels[top : max(top, box.bottom), left : max(left, box.right)] = colour


def frame(pixels: Pixels, box: Box, colour: Colour, thickness: int = 1) -> None:
    """Paints a frame around the box, just outside it."""
    outer = Box(box.top - thickness, box.left - thickness, box.bottom + thickness, box.right + thickness)
    fill(pixels, outer._replace(bottom=box.top), colour)
    fill(pixels, outer._replace(top=box.bottom), colour)
    fill(pixels, outer._replace(right=box.left), colour)
    fill(pixels, outer._replace(left=box.right), colour)


def corners(pixels: Pixels, box: Box, colour: Colour, thickness: int, length: int) -> None:
    """Paints the four corners of a frame around the box, each arm `length` pixels long: a mark that is no selection."""
    for top, bottom in ((box.top - thickness, box.top), (box.bottom, box.bottom + thickness)):
        fill(pixels, Box(top, box.left - thickness, bottom, box.left + length), colour)
        fill(pixels, Box(top, box.right - length, bottom, box.right + thickness), colour)
    for left, right in ((box.left - thickness, box.left), (box.right, box.right + thickness)):
        fill(pixels, Box(box.top, left, box.top + length, right), colour)
        fill(pixels, Box(box.bottom - length, left, box.bottom, right), colour)


def bar(pixels: Pixels, box: Box, share: float, colour: Colour, background: Colour) -> None:
    """A horizontal bar, filled from the left by `share` (0 to 1; anything else is cut off, NaN counts as 0)."""
    share = min(max(share, 0.0), 1.0) if np.isfinite(share) else 0.0
    fill(pixels, box, background)
    fill(pixels, box._replace(right=box.left + round(box.width * share)), colour)


def dim(pixels: Pixels, share: float) -> None:
    """Leaves `share` of the brightness that is there."""
    if pixels.size:
        cv2.convertScaleAbs(pixels, dst=pixels, alpha=share)
