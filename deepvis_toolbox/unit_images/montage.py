"""Montages: nine pictures in a 3×3 square, the authors' 2×2 of such squares, and one picture for a whole layer."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

import cv2
import numpy as np

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources.picture_budget import MAX_PIXELS
from deepvis_toolbox.words.images import RGBImage

GAP = 1
"""Pixels between the pictures of a 3×3 montage."""
QUARTER_BORDER = 3
"""Pixels around each 3×3 montage in the authors' 2×2 archives: 2 between the quarters and 1 of their montage."""
JPEG_TILE = 32
"""Pixels; smaller pictures are enlarged before they go into a JPEG montage."""
LEGIBLE_TILE = 96
"""Pixels; a preferred image is enlarged to about that where it is less than half as large."""
FEW_PIXELS = 12
"""A side; of a picture no larger each pixel is shown as a square, of larger ones the enlargement is smooth."""
BACKGROUND = 30
"""Between pictures and where one is missing: dark, as the window around them."""


def montage3x3(images: Sequence[RGBImage]) -> RGBImage:
    """Return up to nine pictures, row by row, in one square of 3×3, one dark pixel between them; missing ones stay
    dark.

    `images`: each RGB uint8 H×W×3; where sizes differ, all are scaled to the first one's. -> (3H + 2)×(3W + 2)×3.
    """
    return _montage(images, 3)


def montage_for_jpeg(images: Sequence[RGBImage]) -> RGBImage:
    """Do as `montage3x3`, tiny pictures enlarged: JPEG would mix what is smaller than its blocks with its
    neighbours."""
    return montage3x3([enlarged(image, JPEG_TILE) for image in images])


def legible_montage(images: Sequence[RGBImage]) -> RGBImage:
    """Do as `montage3x3`, small pictures enlarged, so that their pattern can be seen in whatever size it is shown."""
    return montage3x3([legible(image) for image in images])


def legible(image: RGBImage) -> RGBImage:
    """Return a picture, RGB uint8 (H, W, 3), enlarged to about `LEGIBLE_TILE` where it is less than half as large."""
    height, width = image.shape[:2]
    longest = max(height, width)
    if 2 * longest >= LEGIBLE_TILE:
        return image
    if longest <= FEW_PIXELS:
        return enlarged(image, LEGIBLE_TILE)
    times = LEGIBLE_TILE // longest
    return np.asarray(cv2.resize(image, (width * times, height * times), interpolation=cv2.INTER_CUBIC), np.uint8)


def square_montage(images: Sequence[RGBImage]) -> RGBImage:
    """Return one picture as it is, two to four as 2×2, more as `montage3x3`: few pictures are shown large.

    All are RGB uint8 (H, W, 3).
    """
    return _montage(images, 1 if len(images) == 1 else 2 if len(images) <= 4 else 3)


def _montage(images: Sequence[RGBImage], side: int) -> RGBImage:
    if not 0 < len(images) <= side * side:
        raise ValueError(f"a {side}×{side} montage holds 1 to {side * side} pictures, not {len(images)}")
    return in_grid(images, side, side, GAP)


def in_grid(
    images: Sequence[RGBImage], rows: int, columns: int, gap: int = 0, background: int = BACKGROUND
) -> RGBImage:
    """Return the pictures row by row, all at the first one's size, with `gap` pixels of the grey `background`
    between them. `ToolboxError` where the whole would be too large to be read again."""
    height, width = images[0].shape[:2]
    size = (rows * (height + gap) - gap, columns * (width + gap) - gap)
    if size[0] * size[1] > MAX_PIXELS:
        raise ToolboxError(f"pictures of {width}×{height} pixels are too large to be shown {rows}×{columns} in one")
    canvas = np.full((*size, 3), background, np.uint8)
    for index, image in enumerate(images):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        canvas[top : top + height, left : left + width] = scaled_to(image, height, width)
    return canvas


def in_square(images: Sequence[RGBImage], gap: int = 0, background: int = BACKGROUND) -> RGBImage:
    """Return the pictures as `in_grid` does, in as many columns as rows, or in one column more."""
    columns = ceil(sqrt(len(images)))
    return in_grid(images, ceil(len(images) / columns), columns, gap, background)


def tiles_of_3x3(montage: RGBImage) -> list[RGBImage]:
    """Return the nine pictures of a montage that `montage3x3` (or the authors) made, all RGB uint8 (H, W, 3)."""
    height, width = ((side - 2 * GAP) // 3 for side in montage.shape[:2])
    if height < 1 or width < 1:
        raise ToolboxError(f"a picture of {montage.shape[1]}×{montage.shape[0]} pixels is too small for a 3×3 montage")
    corners = [((index // 3) * (height + GAP), (index % 3) * (width + GAP)) for index in range(9)]
    return [montage[top : top + height, left : left + width] for top, left in corners]


def lower_left_quarter(picture: RGBImage) -> RGBImage:
    """Return the 3×3 montage to show of an archive's 2×2: the lower-left one, without its border.

    Both are RGB uint8 (H, W, 3).
    """
    half_height, half_width, border = picture.shape[0] // 2, picture.shape[1] // 2, QUARTER_BORDER
    if min(half_height, half_width) <= 2 * border:
        raise ToolboxError(f"a picture of {picture.shape[1]}×{picture.shape[0]} pixels is no 2×2 of montages")
    return picture[half_height + border : 2 * half_height - border, border : half_width - border]


def as_lower_left_quarter(montage: RGBImage) -> RGBImage:
    """Return a 2×2 whose lower-left quarter is `montage`, the rest dark: one of our montages among the authors'.

    Both are RGB uint8 (H, W, 3).
    """
    height, width = montage.shape[:2]
    half_height, half_width = height + 2 * QUARTER_BORDER, width + 2 * QUARTER_BORDER
    canvas = np.full((2 * half_height, 2 * half_width, 3), BACKGROUND, np.uint8)
    top = half_height + QUARTER_BORDER
    canvas[top : top + height, QUARTER_BORDER : QUARTER_BORDER + width] = montage
    return canvas


def whole_layer(tiles: Sequence[RGBImage]) -> RGBImage:
    """Return a tile for each unit of a layer, row by row, in a square of ceil(sqrt(units)) tiles a side.

    All are RGB uint8 (H, W, 3); the first tile's size counts.
    """
    side = _side(len(tiles))
    return in_grid(tiles, side, side)


def tiles_of_whole_layer(picture: RGBImage, units: int) -> RGBImage:
    """Return the tiles of a `whole_layer.jpg` of `units` units: (units, H, W, 3), RGB uint8."""
    side = _side(units)
    height, width = picture.shape[0] // side, picture.shape[1] // side
    if height < 1 or width < 1:
        raise ToolboxError(f"a picture of {picture.shape[1]}×{picture.shape[0]} pixels does not hold {units} units")
    grid = picture[: side * height, : side * width].reshape(side, height, side, width, 3)
    return grid.transpose(0, 2, 1, 3, 4).reshape(side * side, height, width, 3)[:units]


def enlarged(image: RGBImage, side: int) -> RGBImage:
    """Return the picture, RGB uint8 (H, W, 3), with each pixel repeated, its longer side within `side`.

    It never gets smaller.
    """
    times = max(1, side // max(image.shape[:2]))
    return np.repeat(np.repeat(image, times, 0), times, 1)


def shrunk_to(image: RGBImage, longest: int) -> RGBImage:
    """Return the picture with a longer side of at most `longest` pixels; itself where it is no larger."""
    longer = max(image.shape[:2])
    if longer <= longest:
        return image
    height, width = (max(1, round(side * longest / longer)) for side in image.shape[:2])
    return scaled_to(image, height, width)


def scaled_to(image: RGBImage, height: int, width: int) -> RGBImage:
    """Return the picture, RGB uint8 (H, W, 3), at another size in pixels (area-averaged where it shrinks).

    Where it has that size, it is returned itself.
    """
    if image.shape[:2] == (height, width):
        return image
    shrinks = image.shape[0] > height or image.shape[1] > width
    scaled = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(scaled, np.uint8)


def _side(units: int) -> int:
    if units < 1:
        raise ValueError("a layer has at least one unit")
    return int(np.ceil(np.sqrt(units)))
