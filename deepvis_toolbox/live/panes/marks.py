"""The marks on tiles: units that the next edits are of."""

from __future__ import annotations

from collections.abc import Sequence

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import TileGrid
from deepvis_toolbox.drawing.shapes import frame
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.state import State


def draw_marked(pixels: Pixels, state: State, layer: str, units: Sequence[int], grid: TileGrid, look: Look) -> None:
    """Draw a frame around the marked units' tiles of `units`, laid out by `grid` on `pixels`."""
    for unit in state.view.marked:
        if unit.layer == layer and unit.channel in units:
            box = grid.tile_rect(units.index(unit.channel))
            frame(pixels, box, look.window, look.px(2.5))
            frame(pixels, box, look.text, look.px(1.5))


def marked_text(state: State) -> str:
    """Return what the tiles' caption says of them: ` · 3 marked`; nothing where none is."""
    return f" · {len(state.view.marked)} marked" if state.view.marked else ""
