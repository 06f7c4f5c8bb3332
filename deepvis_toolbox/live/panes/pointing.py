"""What the mouse points at, and the marks that say which places see a pixel of the picture."""

from __future__ import annotations

import numpy as np

from deepvis_toolbox.drawing.colours import Colour, Pixels
from deepvis_toolbox.drawing.grid import Box, TileGrid
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import InputPixel, MapPlace, State
from deepvis_toolbox.measure import PlacesOf


def places_question(state: State) -> PlacesOf | None:
    """Return what says where the shown layer's places lie, while the mouse points at one, or at the picture."""
    layer, pointed = state.layer, state.facts.pointed
    if layer is None or pointed is None or not layer.has_places:
        return None
    return PlacesOf(layer.name) if isinstance(pointed, InputPixel) or pointed.layer == layer.name else None


def pointed_place(state: State, box: Box, x: int, y: int) -> MapPlace | None:
    """Return the place of the shown layer at a pixel, where a map of it fills the box; None beside it."""
    if state.layer is None or not state.layer.has_places or not box.contains(x, y):
        return None
    rows, columns = state.layer.map_shape
    return MapPlace(state.layer.name, (y - box.top) * rows // box.height, (x - box.left) * columns // box.width)


def seeing_part(scene: Scene, height: int, width: int) -> Box | None:
    """Return the part of a map, drawn this high and wide, whose places see the pixel of the picture under the mouse."""
    pointed, question = scene.state.facts.pointed, places_question(scene.state)
    places = scene.answer(question) if isinstance(pointed, InputPixel) else None
    if places is None or not isinstance(pointed, InputPixel) or not places.by_fields:
        return None
    rows, columns = places.seeing(*pointed)
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return None
    down, across = height / len(places.rows), width / len(places.columns)
    top, left = int(rows.start * down), int(columns.start * across)
    return Box(top, left, max(round(rows.stop * down), top + 1), max(round(columns.stop * across), left + 1))


def frame_in_each_tile(pixels: Pixels, grid: TileGrid, part: Box, colour: Colour, thickness: int) -> None:
    """Paint a frame around the same part of every tile, just inside it, all tiles at once."""
    full, rest = divmod(grid.count, grid.columns)
    for first, rows, columns in ((0, full, grid.columns), (full, 1, rest)):
        top = first * (grid.tile_height + grid.gap)
        height, width = rows * (grid.tile_height + grid.gap) - grid.gap, columns * (grid.tile_width + grid.gap)
        if rows and columns and top + height <= pixels.shape[0] and width <= pixels.shape[1]:
            _frame_each(_tiles_of(pixels[top:], rows, columns, grid), part, colour, thickness)


def _tiles_of(pixels: Pixels, rows: int, columns: int, grid: TileGrid) -> Pixels:
    """Return a view (rows, tile height, columns, tile width, 3) of the pixels, without the gaps."""
    down, across, channel = pixels.strides
    pitch = down * (grid.tile_height + grid.gap), across * (grid.tile_width + grid.gap)
    shape = (rows, grid.tile_height, columns, grid.tile_width, 3)
    return np.lib.stride_tricks.as_strided(pixels, shape, (pitch[0], down, pitch[1], across, channel))


def _frame_each(tiles: Pixels, part: Box, colour: Colour, thickness: int) -> None:
    (top, left, bottom, right), line = part, min(thickness, part.height, part.width)
    tiles[:, top : top + line, :, left:right] = colour
    tiles[:, bottom - line : bottom, :, left:right] = colour
    tiles[:, top:bottom, :, left : left + line] = colour
    tiles[:, top:bottom, :, right - line : right] = colour
