"""Whether what a program holds grows: the rule of the soak.

The first third of the samples is left out: caches fill, and the allocator keeps the most that was ever used at once. Of
the rest a straight line is fitted that single peaks do not move (Theil and Sen: the median of the slopes between all
pairs of samples). A value grows where both say so, by more than is allowed: the line, from one end to the other, and
the medians of the rest's first and last third.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import theilslopes

from .samples import Sample

ALLOWED = {"memory": 64.0, "threads": 2.0, "descriptors": 4.0}
"""MiB, threads, descriptors; over the whole run behind its first third."""
SHORT_RUN, ALLOWED_IN_SHORT_RUN = 1800.0, 320.0
"""Seconds, and MiB: in so short a run, caches may still fill behind the first third."""
MOST_POINTS = 2000
"""All pairs of more samples than these are too many; every second, third, … is taken."""


@dataclass(frozen=True)
class Trend:
    """How a value changed behind the first third of the samples."""

    start: float
    """Seconds, where the line begins."""
    end: float
    first: float
    """The line's value there."""
    last: float
    medians: tuple[float, float]
    """Of the rest's first and last third."""

    @property
    def growth(self) -> float:
        """The smaller of what the line and what the medians say."""
        return min(self.last - self.first, self.medians[1] - self.medians[0])


def trend_of(samples: Sequence[Sample], name: str) -> Trend:
    """The trend of `memory`, `threads` or `descriptors`."""
    rest = samples[len(samples) // 3 :]
    rest = rest[:: 1 + len(rest) // MOST_POINTS]
    times = np.array([sample.seconds for sample in rest])
    values = np.array([getattr(sample, name) for sample in rest], np.float64)
    slope, intercept = theilslopes(values, times, method="joint")[:2]
    third = max(1, len(values) // 3)
    ends = float(np.median(values[:third])), float(np.median(values[-third:]))
    line = slope * times[[0, -1]] + intercept
    return Trend(float(times[0]), float(times[-1]), float(line[0]), float(line[1]), ends)


def grown(samples: Sequence[Sample]) -> list[str]:
    """A sentence for every value that grew by more than is allowed."""
    found = []
    for name, allowed in ALLOWED.items():
        trend = trend_of(samples, name)
        if name == "memory" and trend.end < SHORT_RUN:
            allowed = ALLOWED_IN_SHORT_RUN
        if trend.growth > allowed:
            found.append(
                f"{name} grew from {trend.medians[0]:.1f} to {trend.medians[1]:.1f}, by {trend.growth:.1f}; "
                f"allowed are {allowed:g}"
            )
    return found
