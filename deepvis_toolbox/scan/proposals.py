"""What a unit's top pictures propose it stands for, and what is said of a class that was confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from deepvis_toolbox.scan.top_images import TopImages

FALSE_SHARE = 0.05
"""Of the classes given to the units of a layer, the share that is there by chance: expected, at most."""
PROPOSED_BY = 2
"""So many pictures of the proposing ones are of a class that is proposed: one says nothing."""


@dataclass(frozen=True)
class UnitClass:
    """A class that a unit stands for."""

    label: int
    share: float
    """Of the unit's top pictures that count, how many are of this class, 0 to 1."""
    chance: float
    """How likely chance would say so, corrected for the number of the layer's proposals."""
    auprc: float | None = None
    """The average precision of the unit's values for this class on the pictures held out, 0 to 1; None without such."""
    expected_auprc: float | None = None
    """That of an order by lot, on the average."""

    @property
    def score(self) -> float:
        """How much the unit stands for the class, 0 to 1: AUPRC, or without it the share."""
        return self.share if self.auprc is None else self.auprc


def labels_that_count(top: TopImages, layer: str) -> NDArray[np.int64]:
    """Return the labels of each unit's top pictures, int64 (units, N), best first; -1 where one is unknown or does not
    count: the unit does not fire on it, or a better one has exactly the same values."""
    values, below, images = top.values[layer], top.below[layer], top.images[layer]
    counts = (values > 0) & (images >= 0)
    counts[:, 1:] &= (values[:, 1:] != values[:, :-1]) | (below[:, 1:] != below[:, :-1])
    return np.where(counts, np.where(top.was_read, top.labels, -1)[images], -1)


def corrected(chances: Sequence[float]) -> list[float]:
    """Return how likely each of a layer's proposals does so well by chance, corrected for how many there are."""
    if not len(chances):
        return []
    return [float(chance) for chance in false_discovery_control(np.clip(chances, 0, 1))]
