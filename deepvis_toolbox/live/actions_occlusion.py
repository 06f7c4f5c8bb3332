"""The action of the occlusion pane's key."""

from __future__ import annotations

from deepvis_toolbox.live.state import State


def toggle_occlusion(state: State) -> None:
    """Show which parts of a still picture the selected unit needs, or hide it."""
    state.view.show_occlusion = not state.view.show_occlusion
