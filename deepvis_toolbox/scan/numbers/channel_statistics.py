"""Mean, deviation, zeros and histogram of every unit's values: sums of integers, so that parts add up exactly.

A value is rounded to a fixed step (a fraction of its layer's calibrated limit) before it is summed. Sums of integers do
not depend on their order: any cut into batches, shards and restarts gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

_FIRST_OCTAVE, _LAST_OCTAVE = -16, 10
_STEPS_A_SIDE = 2 * (_LAST_OCTAVE - _FIRST_OCTAVE) + 1
BINS = 2 * _STEPS_A_SIDE + 1
_ROWS_AT_ONCE, _ROWS_BY_ACCELERATOR = 2048, 1 << 14
"""So many are counted together: what that needs for a moment is some ten times as large as their values."""
_MOST_BITS = 20


def histogram_edges() -> NDArray[np.float64]:
    """Return the edges of every histogram, float64 (bins + 1,): two bins an octave, 2^e and 1.5 * 2^e.

    They run from 2^-16 to 2^10 on both sides of zero.
    Positive bins contain their lower edge, negative ones their upper in size; the one in the middle holds what is
    smaller than 2^-16, the outermost what is beyond 2^10.
    """
    sizes = [2.0**octave * step for octave in range(_FIRST_OCTAVE, _LAST_OCTAVE) for step in (1.0, 1.5)]
    positive = np.array([*sizes, 2.0**_LAST_OCTAVE, np.inf])
    return np.concatenate([-positive[::-1], positive])


def summable_bits(values_a_unit: int) -> int:
    """Return the number of bits to which a value is rounded, so that the sum of this many squares fits into 63 bits."""
    return min(_MOST_BITS, (62 - math.ceil(math.log2(max(2, values_a_unit)))) // 2)


def rounded(values: torch.Tensor, limits: torch.Tensor, bits: int) -> torch.Tensor:
    """Return values (…, units) in steps of limit / 2^bits: whole numbers as float64; NaN is 0, what is beyond is
    clipped."""
    largest = float(1 << bits)
    steps = values * (largest / limits).to(values.dtype)  # exact: they are powers of two
    return steps.round_().clamp_(-largest, largest).nan_to_num_(nan=0.0).double()


class ChannelStatistics:
    """Sums over the values of each of `units` units; NaN counts as no value.

    `limits` (units,): float64, powers of two; `bits`: see `summable_bits`.
    """

    NAMES = ("count", "sum", "squares", "zeros", "not_positive", "histogram")

    def __init__(self, limits: torch.Tensor, bits: int) -> None:
        self._limits, self._bits = limits, bits
        units, device = len(limits), limits.device
        self._sums = {name: torch.zeros(units, dtype=torch.int64, device=device) for name in self.NAMES[:-1]}
        self._sums["histogram"] = torch.zeros((units, BINS), dtype=torch.int64, device=device)
        self._first_bins = torch.arange(units, dtype=torch.int32, device=device) * BINS

    def add(self, values: torch.Tensor, units: slice) -> None:
        """Take in rows of values of some of the units, float32 (R, C)."""
        for rows in values.split(_ROWS_AT_ONCE if values.device.type == "cpu" else _ROWS_BY_ACCELERATOR):
            self._add_rows(rows, units)

    def _add_rows(self, values: torch.Tensor, units: slice) -> None:
        sums, truths = self._sums, torch.empty_like(values)

        def count(compare: Callable[..., torch.Tensor], other: torch.Tensor | float) -> torch.Tensor:
            """Return how many of each unit's values it is true of; into floats, as PyTorch is slow to fill bool."""
            return compare(values, other, out=truths).sum(0).long()

        unknown = count(torch.ne, values)
        sums["count"][units] += len(values) - unknown
        sums["zeros"][units] += count(torch.eq, 0)
        sums["not_positive"][units] += count(torch.le, 0)
        steps = rounded(values, self._limits[units], self._bits)
        sums["sum"][units] += steps.sum(0).long()
        sums["squares"][units] += steps.mul_(steps).sum(0).long()  # square_ takes twice as long
        bins = _bin_of(values).add_(self._first_bins[: values.shape[1]])
        known = bins[~values.isnan()] if unknown.any() else bins.flatten()
        sums["histogram"][units] += torch.bincount(known, minlength=values.shape[1] * BINS).view(-1, BINS)

    def merge(self, other: ChannelStatistics) -> None:
        """Add what another part of the same scan has seen."""
        for name in self.NAMES:
            self._sums[name] += other._sums[name]

    def arrays(self) -> dict[str, NDArray[np.int64]]:
        """Return the sums, int64 (units,), and the histogram (units, BINS)."""
        return {name: self._sums[name].cpu().numpy() for name in self.NAMES}

    def load(self, arrays: Mapping[str, NDArray]) -> None:
        """Take what `arrays` gave, int64 (units,) and (units, BINS), in place of the sums so far."""
        for name in self.NAMES:
            self._sums[name] = torch.from_numpy(np.array(arrays[name], np.int64)).to(self._limits.device)


def _bin_of(values: torch.Tensor) -> torch.Tensor:
    """Return the histogram bin of each float32 value, int32, from its sign, its exponent and the first bit of its
    mantissa."""
    bits = values.contiguous().view(torch.int32)
    size = (bits >> 22).bitwise_and_(0x1FF).sub_(2 * (127 + _FIRST_OCTAVE) - 1).clamp_(0, _STEPS_A_SIDE)
    sign = (bits >> 31).bitwise_or_(1)
    return size.mul_(sign).add_(_STEPS_A_SIDE)
