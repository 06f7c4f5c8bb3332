"""Units of all layers that differ most from what is compared with, the first ten; and the keys that compare."""

from __future__ import annotations

from deepvis_toolbox.live import actions_compare
from deepvis_toolbox.live.keys import Binding
from deepvis_toolbox.live.panes.unit_list import BEST, UnitListPane
from deepvis_toolbox.live.state import State
from deepvis_toolbox.measure import MostDifferent


class MostDifferentPane(UnitListPane):
    """There while it is asked for and anything is compared."""

    name = "most different"
    title = "differ most"
    keys = (
        Binding(("B",), actions_compare.cycle_networks, "Compare", "with --compare: A minus B, A, B"),
        Binding(("=",), actions_compare.toggle_pin, "Compare", "pin the frame: now minus pinned; again: let it go"),
        Binding(
            ("N",), actions_compare.toggle_most_different, "Compare", "the ten units of all layers that differ most"
        ),
    )

    def question(self, state: State) -> MostDifferent | None:
        """Return the units of all layers that differ most."""
        if state.reference is None or not state.view.show_most_different or not state.facts.layers:
            return None
        return MostDifferent(state.reference, tuple(layer.name for layer in state.facts.layers[1:]), BEST)
