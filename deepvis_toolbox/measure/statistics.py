"""How a layer's values are spread on one picture, and where a unit stands among its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.measure.layer_maps import channels_first
from deepvis_toolbox.measure.measurement import Measurement
from deepvis_toolbox.measure.needs import Needs
from deepvis_toolbox.measure.where_it_looks import check_unit
from deepvis_toolbox.words.images import Floats

if TYPE_CHECKING:
    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network

_UPPER_ENDS = {"relu6": 6.0, "sigmoid": 1.0, "tanh": 1.0, "softmax": 1.0}
_LOWER_ENDS = {"tanh": -1.0, "sigmoid": 0.0}
_NEAR_AN_END = 1e-3


@dataclass(frozen=True, eq=False)
class Spread:
    """How some values are spread."""

    counts: NDArray[np.int64]
    """(bins,): how many values lie in each bin."""
    edges: Floats
    """(bins + 1,), evenly apart, from the layer's smallest finite value to its largest."""
    largest: float
    mean: float
    std: float
    zeros: float
    """The share of values that are exactly zero, 0 to 1."""
    saturated: float | None
    """The share at an end of what the layer's rectifier or squashing function gives, 0 to 1; None where it has none."""
    not_finite: int
    """How many values are NaN or infinite; they count nowhere else."""


@dataclass(frozen=True, eq=False)
class LayerSpread:
    """A layer's values on one picture, and one unit's among them."""

    layer: Spread
    unit: Spread | None
    rank: int | None
    """How many units of the layer have a larger maximum than the unit."""
    off: tuple[int, ...]
    """The units that are zero everywhere."""


@dataclass(frozen=True)
class LayerStatistics(Measurement[LayerSpread]):
    """How are a layer's activations spread, and those of one of its units?"""

    layer: str
    unit: int | None = None
    bins: int = 50

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return the layer."""
        return Needs(frozenset({self.layer}))

    def take(self, passes: Pass) -> LayerSpread:
        """Answer with both histograms, on the same edges."""
        layer = passes.network.layers[self.layer]
        maps = channels_first(layer, passes.on_cpu(passes.activations(self.layer)))
        values = maps.reshape(len(maps), -1)
        ends = tuple(
            table[kind] for table in (_LOWER_ENDS, _UPPER_ENDS) if (kind := layer.rectifier or layer.kind) in table
        )
        finite = values[np.isfinite(values)]
        edges = _edges(finite, self.bins)
        off = tuple(np.flatnonzero(~values.any(1)).tolist())
        whole = _spread(values, edges, ends)
        if self.unit is None:
            return LayerSpread(whole, None, None, off)
        check_unit(passes.network, self.layer, self.unit)
        largest = np.nan_to_num(values, nan=-np.inf).max(1)
        rank = int((largest > largest[self.unit]).sum())
        return LayerSpread(whole, _spread(values[self.unit], edges, ends), rank, off)


def _edges(finite: Floats, bins: int) -> Floats:
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return np.linspace(low, high if high > low else low + 1, bins + 1, dtype=np.float64).astype(np.float32)


def _spread(values: Floats, edges: Floats, ends: tuple[float, ...]) -> Spread:
    finite = values[np.isfinite(values)]
    counts, _ = np.histogram(finite, edges.astype(np.float64))
    saturated = float(np.mean([np.abs(finite - end) < _NEAR_AN_END for end in ends])) * len(ends) if ends else None
    return Spread(
        counts,
        edges,
        float(finite.max()) if finite.size else 0.0,
        float(finite.mean(dtype=np.float64)) if finite.size else 0.0,
        float(finite.std(dtype=np.float64)) if finite.size else 0.0,
        float((finite == 0).mean()) if finite.size else 0.0,
        saturated if finite.size else None,
        int(values.size - finite.size),
    )
