"""Actions of the backward pass: its mode, its view, where it starts."""

from __future__ import annotations

from collections.abc import Sequence

from deepvis_toolbox.live.state import State
from deepvis_toolbox.words.backward import (
    BACKWARD_MODES,
    OFF,
    BackwardView,
    ChosenBackwardMode,
    chosen_backward_modes,
    chosen_backward_views,
)


def simple_backward() -> tuple[tuple[ChosenBackwardMode, BackwardView], ...]:
    """Return what one key cycles through: off, every mode raw, grad as contributions and as its norm too.

    Two further keys reach every combination.
    """
    of_grad = ("contributions", "raw", "norm")
    modes = [(mode, view) for mode in BACKWARD_MODES for view in (of_grad if mode == "grad" else ("raw",))]
    return ((OFF, ""), *modes)


def cycle_backward(state: State) -> None:
    """Choose the next of: off, grad contributions, raw, norm, deconv raw, guided raw, …, off; from any other
    combination, off."""
    view, combinations = state.view, simple_backward()
    now = (view.backward, "" if view.backward == OFF else view.backward_view)
    place = combinations.index(now) if now in combinations else -1
    view.backward, chosen = combinations[(place + 1) % len(combinations)]
    view.backward_view = chosen or state.start_view.backward_view


def cycle_backward_mode(state: State) -> None:
    """Choose the next backward mode: off, grad, deconv, guided."""
    state.view.backward = _after(state.view.backward, chosen_backward_modes())


def cycle_backward_view(state: State) -> None:
    """Choose the next view of the backward result."""
    state.view.backward_view = _after(state.view.backward_view, chosen_backward_views())


def _after(now: str, names: Sequence[str]) -> str:
    """Return the name after `now`, in a circle."""
    return names[(names.index(now) + 1) % len(names)]


def toggle_frozen_origin(state: State) -> None:
    """Freeze the origin at the selected unit, or let it follow the selection again."""
    state.view.frozen_origin = None if state.view.frozen_origin else state.origin


def toggle_gradients(state: State) -> None:
    """Show gradients in the tiles, or activations again."""
    state.view.show_gradients = not state.view.show_gradients
    if state.view.show_gradients and state.view.backward == "off":
        state.view.backward = "grad"
        state.facts.message = "the backward pass is on: grad"
