"""A unit's last ten seconds: what one pass after the other says of it, kept by the frame processor."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from deepvis_toolbox.measure import LayerSpread, LayerStatistics
from deepvis_toolbox.measure.measurement import Question
from deepvis_toolbox.words.images import Floats

SECONDS = 10.0


@dataclass(frozen=True, eq=False)
class Curve:
    """Values of a unit over time, oldest first."""

    seconds: Floats
    """(frames,): before the newest, −10 to 0."""
    largest: Floats
    """(frames,): the unit's largest activation."""
    mean: Floats
    """(frames,): the mean over its places."""


@dataclass(frozen=True)
class UnitHistory(Question[Curve]):
    """How did a unit's activation go in the last ten seconds? The request asks `of` as well."""

    of: LayerStatistics


class HistoryKeeper:
    """Keeps one unit's values; another unit, or another layer, begins anew. Edits do not: one sees what they do."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` says how late it is, in seconds."""
        self._clock = clock
        self._question: UnitHistory | None = None
        self._values: deque[tuple[float, float, float]] = deque()

    def follow(self, question: UnitHistory, spread: LayerSpread) -> Curve:
        """Take in what a pass says of the unit, and return its last ten seconds."""
        if question != self._question:
            self._question = question
            self._values.clear()
        now = self._clock()
        if spread.unit is not None:
            self._values.append((now, spread.unit.largest, spread.unit.mean))
        while self._values and now - self._values[0][0] > SECONDS:
            self._values.popleft()
        times, largest, mean = np.asarray(self._values, np.float64).reshape(-1, 3).T
        return Curve(*(each.astype(np.float32) for each in (times - now, largest, mean)))
