"""What clicks and the wheel do: the pane under the mouse decides."""

from __future__ import annotations

from deepvis_toolbox.live import actions
from deepvis_toolbox.live.layout import Hit
from deepvis_toolbox.live.painter import Painter
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.window.window import MouseEvent

ROWS_A_TURN = 3
"""Names that one notch of the wheel scrolls the layer list by."""


def do_mouse(event: MouseEvent, state: State, painter: Painter) -> None:
    """A click selects a tile or a layer; a double click zooms; the wheel scrolls the list, or changes the layer."""
    under = painter.hit(state, event.x, event.y)
    if under is None:
        return
    if event.kind == "wheel":
        _turn(state, painter, under.pane, event.turns)
    elif under.layer_index is not None:
        first, _ = painter.rows_in_list(state)
        actions.select_layer(state, under.layer_index)
        actions.scroll_layers(state, first)  # the list stays under the mouse
    elif event.kind == "double click":
        _zoom(state, under)
    elif under.unit is not None:
        actions.select_unit(state, under.unit)


def _turn(state: State, painter: Painter, pane: str, turns: int) -> None:
    if pane == "layers":
        first, rows = painter.rows_in_list(state)
        last = max(0, len(state.layers) - rows)
        actions.scroll_layers(state, min(last, first - ROWS_A_TURN * turns))
    elif pane == "tiles":
        actions.next_layer(state, -turns)


def _zoom(state: State, under: Hit) -> None:
    """Large in the place of the tiles: what was clicked there, or all tiles again."""
    if state.zoom != "tiles":
        actions.zoom_to(state, "tiles")
    elif under.pane in ("tiles", "selected"):
        actions.zoom_to(state, "unit")
    elif under.pane == "backward":
        actions.zoom_to(state, "backward")
    elif under.pictures:
        actions.zoom_to(state, "unit", under.pictures)
