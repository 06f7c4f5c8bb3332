"""What a scan of a data set says of the network's units, as plain data for keys and panes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.words.images import Floats
from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_maxima import UnitMaxima


class UnitName(NamedTuple):
    """A class that a unit stands for."""

    name: str
    score: float
    """How well the unit ranks the class's pictures before others (AUPRC), 0 to 1; of a scan that held no pictures out,
    how many of its top pictures are of this class."""
    by_chance: float | None = None
    """The AUPRC of an order by lot; None where the score is a share."""

    def __str__(self) -> str:
        return f"{self.name} {100 * self.score:.0f} %"

    @property
    def explained(self) -> str:
        """The name with what its score is."""
        chance = "" if self.by_chance is None else f"{100 * self.by_chance:.2g}"
        return f"{self} of its top pictures" if self.by_chance is None else f"{self} (chance {chance} %)"


@dataclass(frozen=True, eq=False)
class UnitNames:
    """The units that have names, best first; equal only to itself, so that it is quickly compared."""

    by_unit: Mapping[Unit, tuple[UnitName, ...]] = field(default_factory=dict)
    layers: frozenset[str] = frozenset()
    """Whose units were looked at; empty where the scan can name none."""
    why_none: str = ""
    """Why the scan can name no unit; empty where it can."""

    def of(self, unit: Unit) -> tuple[UnitName, ...] | None:
        """Return the unit's names, none where its classes do not beat chance; None where nobody has looked."""
        return self.by_unit.get(unit, ()) if unit.layer in self.layers else None


@dataclass(frozen=True, eq=False)
class ScannedSpread:
    """How a unit's values are spread over the data set."""

    pictures: int
    mean: float
    """Of the largest value in each picture."""
    deviation: float
    largest: float
    fires: float
    """The share of pictures in which it is above zero, 0 to 1."""
    edges: NDArray[np.float64]
    """(bins + 1,): of the histograms below, from minus infinity to infinity."""
    unit: NDArray[np.int64] | None = None
    """(bins,): how many of the values at a sample of places lie in each bin; None where the scan kept none."""
    layer: NDArray[np.int64] | None = None
    """The same of all units of the layer."""
    layer_largest: float = 0.0


def expected_counts(
    counts: NDArray[np.int64], edges: NDArray[np.float64], largest: float, bins: Floats, values: int
) -> NDArray[np.float64]:
    """Return how many of `values` values would lie in each of the bins with edges `bins`, (B + 1,), were they spread as
    in the data set: float64 (B,). Less than all where some of the data set's lie outside of them.

    `counts` (N,) over `edges` (N + 1,) are spread evenly within each bin, which ends at `largest` where no value is
    larger; those of the bin around zero are exactly zero.
    """
    total = int(counts.sum())
    if not total:
        return np.zeros(len(bins) - 1)
    largest = np.inf if np.isnan(largest) else largest
    finite = np.clip(edges, -2 * np.abs(edges[1]), None)
    low, high = np.minimum(finite[:-1], largest), np.minimum(finite[1:], largest)
    middle = len(counts) // 2
    low[middle] = high[middle] = 0.0
    is_point = high <= low
    ends = bins.astype(np.float64)
    overlap = np.minimum(high[:, None], ends[None, 1:]) - np.maximum(low[:, None], ends[None, :-1])
    width = np.where(is_point, 1.0, high - low)
    found = (np.where(is_point, 0, counts) / width) @ np.maximum(overlap, 0)
    found += np.histogram(low[is_point], ends, weights=counts[is_point])[0]
    return found * (values / total)


@dataclass(frozen=True, eq=False)
class FiresWith:
    """The units of the same layer whose maxima go with a unit's over the pictures, nearest first."""

    units: tuple[Unit, ...] = ()
    correlations: tuple[float, ...] = ()
    """Pearson's, above 0."""
    why_none: str = ""


@dataclass(frozen=True, eq=False)
class ScannedUnits:
    """A scan of this network. Layers that it has not looked at are missing."""

    pictures: int
    maxima: Mapping[str, UnitMaxima]
    names: UnitNames
    spread: Callable[[Unit], ScannedSpread]
    """Of a unit of one of the layers of `maxima`."""
    fires_with: Callable[[Unit], FiresWith]
