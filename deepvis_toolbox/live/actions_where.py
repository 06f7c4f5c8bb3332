"""Actions of what lies over the input picture."""

from __future__ import annotations

from deepvis_toolbox.live.state import OVERLAYS, State


def cycle_overlay(state: State) -> None:
    """Lay the next of these over the input picture: nothing, where the unit is active, heat, Grad-CAM, gradient."""
    place = OVERLAYS.index(state.view.overlay)
    state.view.overlay = OVERLAYS[(place + 1) % len(OVERLAYS)]
