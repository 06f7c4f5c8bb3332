"""How widely a picture spreads the first normalised layer's values, beside how widely the training pictures did.

A batch norm keeps each channel's deviation over the training pictures. A picture whose pixels are prepared otherwise,
by a factor, spreads all channels by that factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deepvis_toolbox.measure.measurement import Measurement
from deepvis_toolbox.measure.needs import Needs

if TYPE_CHECKING:
    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network

_FEWEST_PLACES = 16
"""Of fewer, a deviation says little."""
_SMALLEST = 1e-3
"""Units whose deviation is a smaller share of the largest one's are as good as off."""


@dataclass(frozen=True)
class TrainedSpread:
    """A picture's deviations over places, in those of the training pictures."""

    layer: str
    """The first with a batch norm that reads the picture; empty where the network has none."""
    usual: float = 1.0
    """Of the unit in the middle."""
    largest: float = 1.0
    """Of the unit that varies most."""
    contrast: float = 0.0
    """The picture's own deviation, in pixels of 0 to 255."""


@dataclass(frozen=True)
class SpreadInTraining(Measurement[TrainedSpread]):
    """How widely are the first normalised layer's values spread, in deviations of the training pictures?"""

    def needs(self, network: Network) -> Needs:
        """Return the layer, below its rectifier."""
        layer = _first_normalised(network)
        return Needs(frozenset({layer}), is_recorded=True) if layer else Needs()

    def take(self, passes: Pass) -> TrainedSpread:
        """Answer with what there is; no layer's name where the network has none, or its values are no numbers."""
        layer = _first_normalised(passes.network)
        if not layer:
            return TrainedSpread("")
        learnt = passes.on_cpu(passes.network.norm_statistics[layer].deviation[None])
        values = passes.on_cpu(passes.below_rectifier(layer))
        counted = learnt > _SMALLEST * learnt.max()
        found = values.reshape(len(values), -1).std(1)[counted] / learnt[counted]
        if not counted.any() or not np.isfinite(found).all():
            return TrainedSpread("")
        contrast = float(passes.image.reshape(-1, 3).std(0).max())
        return TrainedSpread(layer, float(np.median(found)), float(found.max()), contrast)


def _first_normalised(network: Network) -> str:
    for name in network.norm_statistics:
        height, width = network.layers[name].map_shape
        if height * width >= _FEWEST_PLACES and network.layers_feeding(name) == (network.input_name,):
            return name
    return ""
