"""Actions that compare: what is there now with a pinned frame."""

from __future__ import annotations

from deepvis_toolbox.live.state import State


def toggle_pin(state: State) -> None:
    """Pin the frame that is shown, so that panes show the difference from it, or let it go."""
    view = state.view
    if view.pinned is not None:
        view.pinned = None
        state.facts.message = "the pinned frame was let go"
    elif state.facts.pinnable is None:
        state.facts.message = "there is no picture yet that could be pinned"
    else:
        view.pinned = state.facts.pinnable
        state.facts.message = f"pinned {view.pinned.name}: now minus that is shown; the same key lets it go"


def toggle_most_different(state: State) -> None:
    """List the units that differ most, of all layers, or no longer."""
    if state.reference is None:
        state.facts.message = "nothing is compared: = pins the frame that is shown"
    else:
        state.view.show_most_different = not state.view.show_most_different
