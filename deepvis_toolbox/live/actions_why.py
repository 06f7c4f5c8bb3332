"""What the keys and clicks of the pane that says why do: what feeds the selected unit, what it raises, a walk there."""

from __future__ import annotations

from deepvis_toolbox.live import actions
from deepvis_toolbox.live.state import State, Why
from deepvis_toolbox.words.unit import Unit

_NEXT: dict[Why, Why] = {"off": "feeds", "feeds": "raises", "raises": "off", "weights": "feeds"}
LONGEST_TRAIL = 100


def cycle_why(state: State) -> None:
    """Show what feeds the selected unit, then what it raises, then neither."""
    state.view.why = _NEXT[state.view.why]


def toggle_weights(state: State) -> None:
    """Show the selected unit's weights, or hide them."""
    state.view.why = "off" if state.view.why == "weights" else "weights"


def walk_to(state: State, unit: Unit) -> None:
    """Go to a unit that the pane shows, and remember where that was."""
    if state.selected is not None and unit != state.selected:
        state.view.trail = (*state.view.trail, state.selected)[-LONGEST_TRAIL:]
        actions.go_to(state, unit)


def come_back(state: State) -> None:
    """Go back to the unit that the last step started from."""
    if not state.view.trail:
        state.facts.message = "this is where the walk began; a click on a unit in the pane of v takes a step"
        return
    *earlier, last = state.view.trail
    state.view.trail = tuple(earlier)
    actions.go_to(state, last)


def toggle_from_frame(state: State) -> None:
    """Grow what the selected unit would like more of, from the present frame; the same unit again: no longer."""
    state.view.from_frame = None if state.view.from_frame == state.selected else state.selected
