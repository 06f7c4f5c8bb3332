"""The action of the statistics pane's key, and of a click on the selected unit's caption."""

from __future__ import annotations

from deepvis_toolbox.live.state import State


def toggle_statistics(state: State) -> None:
    """Show the statistics of the layer and of the selected unit, or hide them."""
    state.view.show_statistics = not state.view.show_statistics
