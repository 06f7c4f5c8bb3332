"""Where each tile of a row-major grid lies in a pane, and which tile lies at a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Box(NamedTuple):
    """A rectangle of screen pixels, half open: rows top..bottom-1, columns left..right-1."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    def contains(self, x: int, y: int) -> bool:
        """Return whether the pixel in column `x`, row `y` lies inside."""
        return self.top <= y < self.bottom and self.left <= x < self.right


@dataclass(frozen=True)
class TileGrid:
    """A row-major grid of equal tiles with gaps between them, from the top left of its pane."""

    count: int
    rows: int
    columns: int
    tile_height: int
    tile_width: int
    gap: int

    @property
    def height(self) -> int:
        """In pixels, without a gap behind the last row."""
        return self.rows * (self.tile_height + self.gap) - self.gap

    @property
    def width(self) -> int:
        """In pixels, without a gap behind the last column."""
        return self.columns * (self.tile_width + self.gap) - self.gap

    def tile_rect(self, index: int) -> Box:
        """Return the pane's pixels that tile `index` covers. Raises `IndexError` where there is no such tile."""
        if not 0 <= index < self.count:
            raise IndexError(f"tile {index} of {self.count}")
        row, column = divmod(index, self.columns)
        top = row * (self.tile_height + self.gap)
        left = column * (self.tile_width + self.gap)
        return Box(top, left, top + self.tile_height, left + self.tile_width)

    def tile_at(self, x: int, y: int) -> int | None:
        """Return the tile at the pane's column `x` and row `y`; None in a gap and beside the grid."""
        row, below = divmod(y, self.tile_height + self.gap)
        column, beside = divmod(x, self.tile_width + self.gap)
        inside = 0 <= row < self.rows and 0 <= column < self.columns
        if not inside or below >= self.tile_height or beside >= self.tile_width:
            return None
        index = row * self.columns + column
        return index if index < self.count else None


@lru_cache(maxsize=256)
def fit_grid(count: int, map_shape: tuple[int, int], pane: tuple[int, int], gap: int = 1) -> TileGrid:
    """Return the grid with the largest tiles for `count` maps of `map_shape` (height, width) in a `pane` (height,
    width).

    Of grids with equally large tiles the one with the fewest empty places is taken, so 256 tiles in a square pane
    are 16×16. Where tiles would be thinner than three gaps, the gaps go first.
    """
    gap = min(gap, max(0, min(pane) // 3))  # wider ones are never three gaps thick
    grid = _with_gap(count, map_shape, pane, gap)
    while grid is None:
        gap -= 1
        grid = _with_gap(count, map_shape, pane, gap)
    return grid


def _with_gap(count: int, map_shape: tuple[int, int], pane: tuple[int, int], gap: int) -> TileGrid | None:
    """Return the grid for this gap; None where its tiles would be thinner than three gaps."""
    height, width = pane
    columns = np.arange(1, max(count, 1) + 1)
    rows = -(-max(count, 1) // columns)
    scale = np.minimum(
        ((height + gap) / rows - gap) / map_shape[0],
        ((width + gap) / columns - gap) / map_shape[1],
    )
    tile_heights = np.floor(scale * map_shape[0] + 1e-9)
    tile_widths = np.floor(scale * map_shape[1] + 1e-9)
    best = int(np.lexsort((rows * columns, -tile_widths, -tile_heights))[0])
    tile_height, tile_width = int(tile_heights[best]), int(tile_widths[best])
    if gap and min(tile_height, tile_width) < 3 * gap:
        return None
    return TileGrid(count, int(rows[best]), int(columns[best]), max(1, tile_height), max(1, tile_width), gap)
