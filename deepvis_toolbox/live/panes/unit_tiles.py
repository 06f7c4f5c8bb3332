"""A few units of any layers as small tiles, each with its address, a number, and a bar that says its share and sign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from deepvis_toolbox.drawing.colours import Colour, Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.levels import to_levels
from deepvis_toolbox.drawing.pictures import paint_map
from deepvis_toolbox.drawing.shapes import clear, fill
from deepvis_toolbox.drawing.text import Elide, draw_text, text_width
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.words.images import Floats
from deepvis_toolbox.words.unit import Unit


@dataclass(frozen=True, eq=False)
class UnitTile:
    """One unit, and what is said of it."""

    unit: Unit
    map: Floats
    """(H, W), or () where it has no places."""
    name: str
    number: str
    elide: Elide
    """Which end of a name that is too long is left out."""
    share: float
    """−1 to 1: the bar's length, and by its sign its colour."""
    is_kernel: bool = False
    """The map is one of weights: each is seen, in the colours of gradients."""


@dataclass(frozen=True)
class UnitGrid:
    """Where so many tiles lie in a pane, each above its line of text."""

    columns: int
    side: int
    """Of a map's square, in pixels."""
    line: int
    """Height of what is below it."""
    gap: int
    width: int
    """Of the pane."""
    lines: int = 1
    """Of text below a map: two where name and number do not fit beside each other."""

    @classmethod
    def fitting(cls, count: int, height: int, width: int, look: Look) -> UnitGrid:
        """Return the grid with the largest tiles."""
        gap = look.px(6)

        def fitted(lines: int) -> UnitGrid:
            line = lines * look.small.line_height + look.px(5)

            def side(columns: int) -> int:
                rows = -(-count // columns)
                return min((width - (columns - 1) * gap) // columns, (height - (rows - 1) * gap) // rows - line)

            columns = max(range(1, count + 1), key=lambda columns: (side(columns), -columns))
            return cls(columns, max(1, side(columns)), line, gap, width, lines)

        grid = fitted(1)
        return grid if grid.cell >= look.px(90) else fitted(2)

    def box(self, index: int) -> Box:
        """Return a tile's box, its text below the map within it."""
        row, column = divmod(index, self.columns)
        top, left = row * (self.side + self.line + self.gap), column * (self.cell + self.gap)
        return Box(top, left, top + self.side + self.line, left + self.cell)

    @property
    def cell(self) -> int:
        """A tile's width, in pixels."""
        return max(1, (self.width - (self.columns - 1) * self.gap) // self.columns)

    def index_at(self, count: int, x: int, y: int) -> int | None:
        """Return the tile at a pixel; None between them."""
        return next((index for index in range(count) if self.box(index).contains(x, y)), None)


def draw_unit_tiles(pixels: Pixels, tiles: list[UnitTile], grid: UnitGrid, scene: Scene) -> None:
    """Draw the tiles at their places."""
    for index, tile in enumerate(tiles):
        box = grid.box(index)
        place = pixels[box.top : box.bottom, box.left : box.right]
        if place.size and place.shape[0] == box.height:
            _draw_tile(place, tile, grid, scene)


def sign_colour(value: float, look: Look) -> Colour:
    """Return the colour of what adds, and of what takes away."""
    return look.positive if value > 0 else look.negative if value < 0 else look.dim


def _draw_tile(pixels: Pixels, tile: UnitTile, grid: UnitGrid, scene: Scene) -> None:
    look, width = scene.look, pixels.shape[1]
    picture = pixels[: grid.side]
    clear(picture, look.panel)
    if tile.map.ndim == 2 and tile.map.size > 1:
        signed = True if tile.is_kernel else None
        levels = to_levels(np.ascontiguousarray(tile.map[None]), scene.state.view.gamma, signed=signed)
        palette = look.signed_palette if levels.signed else look.activation_palette
        if tile.is_kernel:
            palette = look.gradient_palette
        paint_map(picture, levels.indices[0], palette, look.smooth and not tile.is_kernel)
    elif tile.map.size:
        value = f"{float(tile.map.reshape(-1)[0]):.3g}"
        baseline = (grid.side + look.large.capital_height) // 2
        draw_text(picture, value, width // 2, baseline, look.large, look.text, "centre", width)
    colour, thick = sign_colour(tile.share, look), look.px(3)
    fill(pixels, Box(grid.side, 0, grid.side + thick, width), look.line)
    fill(pixels, Box(grid.side, 0, grid.side + thick, round(width * min(1.0, abs(tile.share)))), colour)
    baseline = grid.side + thick + look.px(3) + look.small.ascent
    if grid.lines == 2:
        draw_text(pixels, tile.number, 0, baseline + look.small.line_height, look.small, colour, width=width)
        room = width
    else:
        draw_text(pixels, tile.number, width, baseline, look.small, colour, "right", width)
        room = max(0, width - text_width(tile.number, look.small) - look.px(6))
    draw_text(pixels, tile.name, 0, baseline, look.small, look.text, width=room, elide=tile.elide)
