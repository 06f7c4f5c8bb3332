"""Pattern mode: every tile shows its unit's preferred image, or its top image, in place of its activations."""

from __future__ import annotations

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import TileGrid
from deepvis_toolbox.drawing.tiles import paint_pictures
from deepvis_toolbox.live import actions
from deepvis_toolbox.live.panes.caption import draw_badge, draw_note
from deepvis_toolbox.live.panes.unit_images import TITLES
from deepvis_toolbox.live.scene import Scene


def draw_pattern(pixels: Pixels, grid: TileGrid, scene: Scene) -> None:
    """Paint the pictures at the grid's places; say so where there are none, or not all."""
    state, look = scene.state, scene.look
    tiles = state.facts.pattern_tiles
    if state.view.pattern == "off":
        return
    what = TITLES[state.view.pattern]
    if not state.facts.has_unit_images:
        draw_note(pixels, look, "this model names no folder for unit images (unit_images.folder)")
    elif state.layer is None or tiles is None or (tiles.layer, tiles.pattern) != (state.layer.name, state.view.pattern):
        draw_note(pixels, look, f"reading the {what} of this layer …")
    elif tiles.done and not tiles.there.any():
        draw_note(pixels, look, tiles.problem or f"no {what} of {tiles.layer} have been made yet; {_how(scene)}")
    else:
        pictures, there, units = tiles.pixels, tiles.there, state.tile_units
        if not isinstance(units, range):
            pictures, there = pictures[list(units)], there[list(units)]
        paint_pictures(pixels, pictures, there, grid, look.panel, look.window)
        missing = int((~there).sum())
        if missing:
            draw_badge(pixels, look, f"{missing} of {grid.count} units have no {what} yet")


def _how(scene: Scene) -> str:
    """Return where it is said how to make them."""
    if scene.state.view.show_unit_images:
        return "the pane beside says how to make them"
    return f"{scene.keys.label_for(actions.toggle_unit_images)} shows how to make them"
