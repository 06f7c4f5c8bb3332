"""Units of all layers that fire in the marked region more than elsewhere, the best ten."""

from __future__ import annotations

from deepvis_toolbox.live.keys import Binding
from deepvis_toolbox.live.panes.unit_list import BEST, UnitListPane
from deepvis_toolbox.live.state import State
from deepvis_toolbox.measure import UnitsInRegionOfLayers


class RegionListPane(UnitListPane):
    """There while a region of all layers is marked."""

    name = "region"
    title = "in the region"
    keys = (
        Binding((), lambda _: None, "Mouse", "tiles by how much more they fire there", "drag in the input"),
        Binding((), lambda _: None, "Mouse", "the ten best units of all layers", "Shift + drag in it"),
    )

    def question(self, state: State) -> UnitsInRegionOfLayers | None:
        """Return the best units of all layers."""
        if state.region is None or not state.view.region_everywhere:
            return None
        return UnitsInRegionOfLayers(tuple(layer.name for layer in state.facts.layers[1:]), state.region, BEST)
