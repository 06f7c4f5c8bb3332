"""Small plots: bars of a histogram, a line over time."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.drawing.colours import Colour, Pixels


def paint_histogram(
    pixels: Pixels, counts: NDArray[np.number], colour: Colour, most: float | None = None, outline: int = 0
) -> None:
    """Paint a bar for each count, (bins,), side by side over `pixels`, uint8 (H, W, 3).

    A bar's height goes with the count's logarithm, log(1 + count): most bins of a rectified layer are nearly empty.
    `most`: the count that is as high as the pixels; None: the largest. `outline`: how thick, in pixels, a line along
    the bars' tops is; 0: they are filled.
    """
    height, width = pixels.shape[:2]
    most = most or float(counts.max(initial=0))
    if not (counts.size and height and width and most > 0):
        return
    heights = np.log1p(counts) / np.log1p(most)
    columns = np.minimum(np.arange(width) * counts.size // width, counts.size - 1)
    tops = height - np.ceil(heights[columns] * height).astype(int)
    rows = np.arange(height)[:, None]
    if not outline:
        pixels[rows >= tops[None, :]] = colour
        return
    tops = np.minimum(tops, height - outline)
    beside = (
        np.minimum(tops, np.concatenate([tops[:1], tops[:-1]])),
        np.maximum(tops, np.concatenate([tops[:1], tops[:-1]])),
    )
    pixels[(rows >= beside[0][None, :]) & (rows < beside[1][None, :] + outline)] = colour


def paint_line(
    pixels: Pixels,
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    span: tuple[float, float],
    colour: Colour,
    thickness: int,
) -> None:
    """Paint a line through points over `pixels`, uint8 (H, W, 3): `x` (N,) 0 to 1 from the left, `y` (N,) in `span`,
    its second value being at the top. Points that are not finite are left out."""
    height, width = pixels.shape[:2]
    low, high = span
    is_there = np.isfinite(x) & np.isfinite(y)
    if not is_there.any() or height < 2 or width < 2 or not high > low:
        return
    across = x[is_there] * (width - 1)
    down = (1 - (y[is_there] - low) / (high - low)).clip(0, 1) * (height - 1)
    points = np.rint(np.stack([across, down], axis=1)).astype(np.int32)
    if len(points) == 1:
        points = np.repeat(points, 2, axis=0)
    whole = np.ascontiguousarray(pixels)
    cv2.polylines(whole, [points[:, None]], False, colour, thickness, cv2.LINE_AA)
    pixels[...] = whole
