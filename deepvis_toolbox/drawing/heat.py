"""Heat over a picture: where a map is large, as colours or as an outline."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.drawing.colours import Colour, Pixels
from deepvis_toolbox.drawing.shapes import dim

GROUND_BRIGHTNESS = 0.35
"""Of the picture, where the map is not large."""
HEAT_SHARE = 0.75
"""How much of the colour is seen where the map is largest; the rest is the picture."""


def paint_area(pixels: Pixels, values: NDArray[np.float32], level: float, colour: Colour, thickness: int) -> None:
    """Dim `pixels`, uint8 (H, W, 3), but where `values`, float32 (h, w), spread over them, are at least `level`, and
    draw an outline around that."""
    inside = _spread(values, pixels) >= level
    bright = pixels[inside]
    dim(pixels, GROUND_BRIGHTNESS)
    pixels[inside] = bright
    outlines, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    drawn = np.ascontiguousarray(pixels)
    cv2.drawContours(drawn, outlines, -1, (0, 0, 0), thickness + 2, cv2.LINE_AA)
    cv2.drawContours(drawn, outlines, -1, colour, thickness, cv2.LINE_AA)
    pixels[...] = drawn


def paint_heat(pixels: Pixels, values: NDArray[np.float32], full: float) -> None:
    """Lay `values`, float32 (h, w), over `pixels`, uint8 (H, W, 3), as colours: nothing at 0 and below, the brightest
    at `full`. The picture below is gray, so that every colour is the map's."""
    share = np.clip(_spread(values, pixels) / np.float32(max(full, 1e-30)), 0, 1)
    colours = cv2.cvtColor(cv2.applyColorMap((share * 255).astype(np.uint8), cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    gray = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY).astype(np.float32)[:, :, None]
    weight = HEAT_SHARE * np.sqrt(share)[:, :, None]
    pixels[...] = (gray * (1 - weight) * (0.5 + 0.5 * share[:, :, None]) + colours * weight).astype(np.uint8)


def _spread(values: NDArray[np.float32], pixels: Pixels) -> NDArray[np.float32]:
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    size = pixels.shape[1], pixels.shape[0]
    return np.asarray(cv2.resize(finite, size, interpolation=cv2.INTER_LINEAR), np.float32)
