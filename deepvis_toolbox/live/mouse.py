"""What the mouse does: clicks and the wheel as the pane under it says, drags from where they began."""

from __future__ import annotations

from deepvis_toolbox.live.keys import Action
from deepvis_toolbox.live.mouse_places import Hovered
from deepvis_toolbox.live.painter import Painter
from deepvis_toolbox.live.panes.pane import Drag, Hit
from deepvis_toolbox.live.state import State, Stroke
from deepvis_toolbox.live.window.interface import MouseEvent
from deepvis_toolbox.words.unit import Unit


class Mouse:
    """Remembers what is being dragged."""

    def __init__(self, painter: Painter) -> None:
        self._painter = painter
        self._drag: tuple[Drag, int, int] | None = None

    def let_go(self) -> None:
        """Forget what is being dragged."""
        self._drag = None

    def move(self, state: State, event: MouseEvent) -> bool:
        """Follow a drag, or note what the mouse points at; return whether there is something new to draw."""
        if self._drag:
            self._draw_on(state, event, is_over=False)
            return True
        found = self._painter.hit(state, event.x, event.y)
        pointed = found[1].place if found else None
        is_new = _hover(state, found[1] if found else None, event) or pointed != state.facts.pointed
        state.facts.pointed = pointed
        return is_new

    def do(self, state: State, event: MouseEvent) -> None:
        """Do what the pane under the mouse says of a click, a double click, a turn of the wheel; end a drag."""
        if event.kind == "release":
            if self._drag:
                self._draw_on(state, event, is_over=True)
            self._drag = None
            return
        state.facts.hovered = None
        found = self._painter.hit(state, event.x, event.y)
        if found is None:
            return
        _, under = found
        if event.kind == "wheel":
            if under.wheel:
                under.wheel(state, event.turns)
        elif action := _action(under, event):
            action(state)
        if event.kind == "click" and under.drag:
            self._drag = under.drag, event.x, event.y

    def _draw_on(self, state: State, event: MouseEvent, is_over: bool) -> None:
        assert self._drag is not None
        drag, x, y = self._drag
        drag(state, Stroke(event.x - x, event.y - y, event.shift, is_over))


def _action(under: Hit, event: MouseEvent) -> Action | None:
    if event.kind == "double click":
        return under.double_click
    return under.shift_click if event.shift and under.shift_click else under.click


def _hover(state: State, under: Hit | None, event: MouseEvent) -> bool:
    """Note the unit under the mouse; return whether it is another one than before."""
    before, unit = state.facts.hovered, under.what if under else None
    if not isinstance(unit, Unit) or under is None:
        state.facts.hovered = None
    elif before is None or (before.unit, before.with_pictures) != (unit, under.with_pictures):
        state.facts.hovered = Hovered(unit, under.with_pictures, event.x, event.y)
    return state.facts.hovered is not before
