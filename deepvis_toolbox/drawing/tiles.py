"""A layer's maps as a grid of small pictures, painted as a whole: no step goes tile by tile."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.drawing.colours import Colour, Palette, Pixels
from deepvis_toolbox.drawing.grid import TileGrid


def paint_tiles(
    pixels: Pixels, indices: NDArray[np.uint8], grid: TileGrid, palette: Palette, smooth: bool = True
) -> None:
    """Paint maps of palette indices, uint8 (C, H, W), at the grid's places of `pixels`, uint8 (H', W', 3).

    Gaps and empty places get the palette's index 0.
    """
    pitch = grid.tile_height + grid.gap, grid.tile_width + grid.gap
    board = np.zeros((grid.rows * pitch[0], grid.columns * pitch[1]), np.uint8)
    cells = board.reshape(grid.rows, pitch[0], grid.columns, pitch[1])[:, : grid.tile_height, :, : grid.tile_width]
    _fill(cells, resize_each(indices, grid.tile_height, grid.tile_width, smooth))
    height, width = min(grid.height, pixels.shape[0]), min(grid.width, pixels.shape[1])
    colourise(pixels[:height, :width], board[:height, :width], palette)


def colourise(pixels: Pixels, indices: NDArray[np.uint8], palette: Palette) -> None:
    """Paint palette indices, uint8 (H, W), over `pixels` of the same size, uint8 (H, W, 3)."""
    if indices.size:
        cv2.applyColorMap(indices, palette, dst=pixels)


def resize_each(indices: NDArray[np.uint8], height: int, width: int, smooth: bool = True) -> NDArray[np.uint8]:
    """Return maps, uint8 (C, H, W), resized each on its own, as uint8 (height, C, width).

    The two directions are resized one after the other, each time with all maps side by side along the other
    direction: so one map's edge never mixes with the next, and all go through two calls.
    """
    indices = _reduced(indices, height, width)
    count, old_height, old_width = indices.shape
    columns = np.ascontiguousarray(indices.transpose(1, 0, 2)).reshape(old_height, count * old_width)
    if old_height == old_width == 1:
        return np.broadcast_to(columns[:, :, None], (height, count, width))
    if old_height != height:
        columns = _resized(columns, (height, count * old_width), _method(old_height, height, smooth))
    rows = columns.reshape(height * count, old_width)
    if old_width != width:
        rows = _resized(rows, (height * count, width), _method(old_width, width, smooth))
    return rows.reshape(height, count, width)


def _reduced(indices: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return maps at least twice too large, averaged down by a whole factor: much faster than the general way."""
    count, old_height, old_width = indices.shape
    factor = min(old_height // height, old_width // width)
    while factor > 1 and (old_height % factor or old_width % factor):
        factor -= 1
    if factor < 2:
        return indices
    stacked = indices.reshape(count * old_height, old_width)
    size = count * old_height // factor, old_width // factor
    return _resized(stacked, size, cv2.INTER_AREA).reshape(count, old_height // factor, old_width // factor)


def _resized(plane: NDArray[np.uint8], size: tuple[int, int], method: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(plane, (size[1], size[0]), interpolation=method), np.uint8)


def _method(old: int, new: int, smooth: bool) -> int:
    if new * 2 <= old:
        return cv2.INTER_AREA
    return cv2.INTER_LINEAR if smooth or new < old else cv2.INTER_NEAREST


def _fill(cells: NDArray[np.uint8], tiles: NDArray[np.uint8]) -> None:
    """Put tiles (height, C, width) into cells (rows, height, columns, width), row by row."""
    height, count, width = tiles.shape
    columns = cells.shape[2]
    full, rest = divmod(count, columns)
    whole = tiles[:, : full * columns].reshape(height, full, columns, width)
    cells[:full] = whole.transpose(1, 0, 2, 3)
    if rest:
        cells[full, :, :rest] = tiles[:, full * columns :]


def paint_pictures(
    pixels: Pixels, pictures: NDArray[np.uint8], there: NDArray[np.bool_], grid: TileGrid, empty: Colour
) -> None:
    """Paint RGB pictures, uint8 (N, S, S, 3), at the grid's places of `pixels`, uint8 (H, W, 3).

    `there`, bool (N,): the others become tiles of colour `empty`.
    """
    size = grid.tile_height, grid.tile_width
    if pictures.shape[1:3] != size:  # the pane has just changed its size; the right ones are being read
        pictures = np.stack([cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA) for picture in pictures])
    filled = np.where(there[:, None, None, None], pictures, np.asarray(empty, np.uint8))
    pitch = size[0] + grid.gap, size[1] + grid.gap
    board = np.zeros((grid.rows, pitch[0], grid.columns, pitch[1], 3), np.uint8)
    cells = np.zeros((grid.rows * grid.columns, *size, 3), np.uint8)
    cells[: len(filled)] = filled[: len(cells)]
    board[:, : size[0], :, : size[1]] = cells.reshape(grid.rows, grid.columns, *size, 3).transpose(0, 2, 1, 3, 4)
    whole = board.reshape(grid.rows * pitch[0], grid.columns * pitch[1], 3)
    height, width = min(grid.height, pixels.shape[0]), min(grid.width, pixels.shape[1])
    pixels[:height, :width] = whole[:height, :width]
