"""How well a unit's values tell a class's pictures from others: average precision (AUPRC), and what chance gives."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

_DRAWN_AT_ONCE = 16 << 20
"""Places of pictures, a byte each."""
_ELEMENTS, _LEAST_DRAWS, _MOST_DRAWS = 4_000_000, 20_000, 99_999


class Ranking:
    """Pictures in the order of a unit's values, float (S,), largest first; those without a number come last.

    Equal values are in the order in which they are given, which must have nothing to do with the classes.
    """

    def __init__(self, values: NDArray[np.floating]) -> None:
        order = np.argsort(-values.astype(np.float32), kind="stable")
        self._ranks = np.empty(len(values), np.int64)
        self._ranks[order] = np.arange(1, len(values) + 1)
        ranked = values[order]
        is_last = np.append(ranked[1:] != ranked[:-1], True)[: len(values)]
        ends = np.flatnonzero(is_last) + 1
        self._ends = ends[np.searchsorted(ends, self._ranks)]

    def average_precision(self, positives: Indices) -> float:
        """Return the area under the precision-recall curve, as a sum of steps, one for each value; 0 to 1.

        `positives`: int64 (m,), the indices of the class's pictures.
        """
        ends = np.sort(self._ends[positives])
        return float((ends.searchsorted(ends, side="right") / ends).sum() / len(ends))

    def chance(self, positives: Indices) -> float:
        """Return how likely an order by lot has an average precision as high, equal values being taken in their order;
        0 to 1. `positives`: int64 (m,), the indices of the class's pictures."""
        drawn = _drawn(len(self._ranks), len(positives))
        reached = _mean_precision(np.sort(self._ranks[positives])[None])[0] * (1 - 1e-12)
        return float((len(drawn) - np.searchsorted(drawn, reached) + 1) / (len(drawn) + 1))


def expected_average_precision(pictures: int, positives: int) -> float:
    """Return the mean average precision of all orders of so many pictures, exactly (Bestgen 2015): a little more than
    the share of positives."""
    harmonic = float((1 / np.arange(1, pictures + 1)).sum())
    further = (positives - 1) / (pictures - 1) if pictures > 1 else 0.0
    return (harmonic + further * (pictures - harmonic)) / pictures


@lru_cache(maxsize=512)
def _drawn(pictures: int, positives: int) -> NDArray[np.float64]:
    """Return average precisions of orders by lot, ascending; the same ones each time."""
    count = int(np.clip(_ELEMENTS // positives, _LEAST_DRAWS, _MOST_DRAWS))
    return np.sort(np.concatenate([_mean_precision(ranks) for ranks in _ranks_by_lot(pictures, positives, count)]))


def _ranks_by_lot(pictures: int, positives: int, count: int) -> Iterator[Indices]:
    """Yield `count` draws of ranks 1 … `pictures`, each ascending, (rows, positives) at a time (Floyd's sampling)."""
    random = np.random.default_rng([pictures, positives])
    at_once = max(1, _DRAWN_AT_ONCE // pictures)
    for begin in range(0, count, at_once):
        rows = np.arange(min(at_once, count - begin))
        is_drawn = np.zeros((len(rows), pictures), bool)
        for last in range(pictures - positives, pictures):
            place = random.integers(0, last + 1, len(rows))
            is_drawn[rows, np.where(is_drawn[rows, place], last, place)] = True
        yield is_drawn.nonzero()[1].reshape(len(rows), positives) + 1


def _mean_precision(ranks: Indices) -> NDArray[np.float64]:
    """Return the average precision of ascending ranks of the positives (rows, m), float64 (rows,)."""
    return np.asarray((np.arange(1, ranks.shape[1] + 1) / ranks).sum(axis=1) / ranks.shape[1], np.float64)
