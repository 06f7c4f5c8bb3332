"""How much of a layer lies at the ends of its values: off, or as large as it can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deepvis_toolbox.measure.measurement import Measurement
from deepvis_toolbox.measure.needs import Needs

if TYPE_CHECKING:
    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network

NEAR = 1e-3
"""Of the distance between a layer's smallest value and its largest."""


@dataclass(frozen=True)
class Ends:
    """Shares of a layer's values, 0 to 1."""

    low: float
    """At its smallest value: of a rectifier, those that are off."""
    high: float
    """At its largest: hardly any, but where values are cut off or squashed."""

    @property
    def both(self) -> float:
        """At one of them."""
        return self.low + self.high


@dataclass(frozen=True)
class AtTheEnds(Measurement[Ends]):
    """How many of a layer's values lie at its smallest or its largest one?"""

    layer: str

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return the layer."""
        return Needs(frozenset({self.layer}))

    def take(self, passes: Pass) -> Ends:
        """Answer with the shares; none where all values are alike, or one is no number."""
        values = passes.on_cpu(passes.activations(self.layer))
        low, high = float(values.min()), float(values.max())
        near = NEAR * (high - low)
        if not 0 < near < float("inf"):
            return Ends(0.0, 0.0)
        return Ends(float(np.mean(values <= low + near)), float(np.mean(values >= high - near)))
