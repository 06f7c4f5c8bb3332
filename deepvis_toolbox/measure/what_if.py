"""What if: questions asked of an edited pass, and what an edit changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from deepvis_toolbox.measure.layer_maps import Maps, channels_first
from deepvis_toolbox.measure.measurement import Answer, Measurement
from deepvis_toolbox.measure.needs import Needs
from deepvis_toolbox.words.edit import Edit

if TYPE_CHECKING:
    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network


@dataclass(frozen=True)
class Edited(Measurement[Answer]):
    """What would the answer be if these units were changed? Nothing below the lowest edit is computed again."""

    edits: tuple[Edit, ...]
    asked: Measurement[Any]

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return the edited layers, of a pass that is kept."""
        return Needs(frozenset(edit.layer for edit in self.edits), is_recorded=True)

    def take(self, passes: Pass) -> Answer:
        """Answer with what is asked, of the edited pass."""
        edited = passes.edited(self.edits)
        edited.run_forward(self.asked.needs(passes.network), record_all=False)
        answer: Answer = self.asked.take(edited)
        return answer


@dataclass(frozen=True)
class ChangedMaps(Measurement[Maps]):
    """How much does every unit of a layer change, everywhere, by the edits? Edited minus as it is."""

    layer: str
    edits: tuple[Edit, ...]

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return the layer and the edited ones, of a pass that is kept."""
        return Needs(frozenset({self.layer, *(edit.layer for edit in self.edits)}), is_recorded=True)

    def take(self, passes: Pass) -> Maps:
        """Answer with the differences."""
        layer = passes.network.layers[self.layer]
        change = passes.edited(self.edits).activations(self.layer) - passes.activations(self.layer)
        maps = channels_first(layer, passes.on_cpu(change))
        return Maps(maps, "" if maps.any() else f"the edits change nothing in {self.layer}")


@dataclass(frozen=True, eq=False)
class LayerChanges:
    """How far each layer's values are from what they were."""

    relative: Mapping[str, float]
    """{layer: the change's Euclidean norm over that of the values as they were}; 0 where nothing changed."""


@dataclass(frozen=True)
class ChangedLayers(Measurement[LayerChanges]):
    """How much does each layer change by the edits?"""

    layers: tuple[str, ...]
    edits: tuple[Edit, ...]

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return all the layers, of a pass that is kept."""
        return Needs(frozenset({*self.layers, *(edit.layer for edit in self.edits)}), is_recorded=True)

    def take(self, passes: Pass) -> LayerChanges:
        """Answer with each layer's relative change."""
        edited = passes.edited(self.edits)
        edited.run_forward(Needs(frozenset(self.layers)), record_all=False)
        return LayerChanges({name: _relative(passes, edited, name) for name in self.layers})


def _relative(before: Pass, after: Pass, layer: str) -> float:
    old, new = before.activations(layer), after.activations(layer)
    size, change = float(old.norm()), float((new - old).norm())
    return change / size if size else float(np.sign(change))
