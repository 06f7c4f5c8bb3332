"""Actions that compare: what is there now with a pinned frame, and one network with another."""

from __future__ import annotations

from deepvis_toolbox.live.other_network import NETWORKS
from deepvis_toolbox.live.state import State


def toggle_pin(state: State) -> None:
    """Pin the frame that is shown, so that panes show the difference from it, or let it go."""
    view = state.view
    if view.pinned is not None:
        view.pinned, view.networks = None, state.start_view.networks
        state.facts.message = "the pinned frame was let go"
    elif state.facts.pinnable is None:
        state.facts.message = "there is no picture yet that could be pinned"
    else:
        view.pinned, view.networks = state.facts.pinnable, "A" if state.facts.other else ""
        state.facts.message = f"pinned {view.pinned.name}: now minus that is shown; the same key lets it go"


def cycle_networks(state: State) -> None:
    """Show the next of: A minus B, A, B. A pinned frame is let go: it is compared with in its place."""
    view, other = state.view, state.facts.other
    if other is None:
        state.facts.message = "there is one network only; --compare NAME opens another beside it"
        return
    place = NETWORKS.index(view.networks) if view.networks in NETWORKS and view.pinned is None else -1
    view.pinned, view.networks = None, NETWORKS[(place + 1) % len(NETWORKS)]
    shown = {"A": f"A: {other.own_name}", "B": f"B: {other.name}", "A − B": f"A − B: {other.own_name} − {other.name}"}
    state.facts.message = f"the tiles show {shown[view.networks]}"


def toggle_most_different(state: State) -> None:
    """List the units that differ most, of all layers, or no longer."""
    if state.reference is None:
        state.facts.message = "no difference is shown: = pins the frame that is shown, --compare opens another network"
    else:
        state.view.show_most_different = not state.view.show_most_different
