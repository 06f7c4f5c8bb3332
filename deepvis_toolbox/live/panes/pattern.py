"""Pattern mode: every tile shows its unit's preferred image, or its top image, in place of its activations."""

from __future__ import annotations

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import TileGrid
from deepvis_toolbox.drawing.tiles import paint_pictures
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.caption import draw_badge, draw_note
from deepvis_toolbox.live.panes.unit_images import TITLES
from deepvis_toolbox.live.state import State


def draw_pattern(pixels: Pixels, state: State, grid: TileGrid, look: Look) -> None:
    """Paints the pictures at the grid's places; says so where there are none, or not all."""
    tiles = state.pattern_tiles
    what = TITLES[state.pattern]
    if not state.has_unit_images:
        draw_note(pixels, look, "this model names no folder for unit images (unit_images.folder)")
    elif state.layer is None or tiles is None or (tiles.layer, tiles.pattern) != (state.layer.name, state.pattern):
        draw_note(pixels, look, f"reading the {what} of this layer …")
    elif tiles.done and not tiles.there.any():
        draw_note(pixels, look, f"no {what} of {tiles.layer} have been made yet; press 9 for how to make them")
    else:
        paint_pictures(pixels, tiles.pixels, tiles.there, grid, look.panel)
        missing = int((~tiles.there).sum())
        if missing:
            draw_badge(pixels, look, f"{missing} of {grid.count} units have no {what} yet")
