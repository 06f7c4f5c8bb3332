"""What clicks and the wheel do: the pane under the mouse decides."""

from __future__ import annotations

from deepvis_toolbox.live.painter import Painter
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.window.window import MouseEvent


def do_mouse(event: MouseEvent, state: State, painter: Painter) -> None:
    """Do what the pane under the mouse says of a click, a double click, or a turn of the wheel."""
    found = painter.hit(state, event.x, event.y)
    if found is None:
        return
    _, under = found
    if event.kind == "wheel":
        if under.wheel:
            under.wheel(state, event.turns)
    elif action := under.click if event.kind == "click" else under.double_click:
        action(state)
