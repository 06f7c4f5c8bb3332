"""What lies strictly below a percentile, for each picture of a batch, as `numpy.percentile` defines it; its removal."""

from __future__ import annotations

from math import floor

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.network.device import widest_float

_SMALL, _SAMPLED = 8192, 16
"""Of rows longer than the first, every so-manieth value is in the sample."""
_DEVIATIONS = 4
"""So many standard deviations of a random sample's rank to both sides."""


def below_percentile(values: torch.Tensor, percentile: float) -> torch.Tensor:
    """Bool (N, …): where `values` (N, …) lie strictly below their picture's `percentile` (0 to 100).

    The percentile is `numpy.percentile`'s, interpolated linearly between the two order statistics next to it. No value
    lies between those two, so a comparison with one of them gives the same answer, and one selection is enough.
    """
    rows = values.flatten(1)
    position = (rows.shape[1] - 1) * (percentile / 100)
    lower, fraction = floor(position), position - floor(position)
    if fraction == 0:
        threshold = _order_statistic(rows, lower)
    elif fraction > 1e-6:  # the interpolated value is above the lower one, or both are the same
        threshold = _order_statistic(rows, lower + 1)
    else:
        threshold = _near_lower(_order_statistic(rows, lower), _order_statistic(rows, lower + 1), fraction)
    return values < threshold.reshape(-1, *[1] * (values.ndim - 1))


def without_pixels(x: torch.Tensor, dropped: torch.Tensor) -> torch.Tensor:
    """`x` (N, C, H, W), overwritten: zero at the pixels `dropped` (N, H, W). On a CPU faster than filling by a mask."""
    return x.mul_((~dropped).to(x)[:, None])


def _near_lower(lower: torch.Tensor, upper: torch.Tensor, fraction: float) -> torch.Tensor:
    """The lower one where the interpolation, in double precision, does not leave it, else the upper one."""
    wide_lower, wide_upper = (each.to(widest_float(each.device)) for each in (lower, upper))
    interpolated = wide_lower + (wide_upper - wide_lower) * fraction
    return torch.where(interpolated == wide_lower, lower, upper)


def _order_statistic(rows: torch.Tensor, rank: int) -> torch.Tensor:
    """The value of that rank (0: the smallest) of each row, (N,)."""
    if rows.device.type != "cpu":
        return torch.kthvalue(rows, rank + 1, dim=1).values
    return torch.tensor([_selected(row, rank) for row in rows.numpy()], dtype=rows.dtype)


def _selected(row: NDArray[np.floating], rank: int) -> float:
    """The value of that rank; NaN counts as largest.

    A sample tells between which two values it lies, but for bad luck; only what lies between them is sorted through
    (Floyd & Rivest 1975). Many equal values, as a clipping leaves zeros in every image, cost nothing then.
    """
    if len(row) > _SMALL:
        sample, share = row[::_SAMPLED], rank / len(row)
        middle, margin = rank / _SAMPLED, 1 + _DEVIATIONS * (len(sample) * share * (1 - share)) ** 0.5
        ends = (max(0, int(middle - margin)), min(len(sample) - 1, int(middle + margin) + 1))
        low, high = np.partition(sample, ends)[list(ends)]
        above_low = row > low
        above_rank = rank - (len(row) - np.count_nonzero(above_low))
        if above_rank >= 0:
            between = row[above_low & (row < high)]
            if above_rank < len(between):
                return float(np.partition(between, above_rank)[above_rank])
        elif rank >= len(row) - np.count_nonzero(row >= low):
            return float(low)
    return float(np.partition(row, rank)[rank])
