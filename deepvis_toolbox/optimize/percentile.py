"""What lies strictly below a percentile, for each picture of a batch, as `numpy.percentile` defines it; its removal."""

from __future__ import annotations

from math import floor

import numpy as np
import torch
from numpy.typing import NDArray


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
    interpolated = lower.double() + (upper.double() - lower.double()) * fraction
    return torch.where(interpolated == lower.double(), lower, upper)


def _order_statistic(rows: torch.Tensor, rank: int) -> torch.Tensor:
    """The value of that rank (0: the smallest) of each row, (N,)."""
    if rows.device.type != "cpu":
        return torch.kthvalue(rows, rank + 1, dim=1).values
    return torch.tensor([_selected(row, rank) for row in rows.numpy()], dtype=rows.dtype)


def _selected(row: NDArray[np.floating], rank: int) -> float:
    """The value of that rank; NaN counts as largest.

    On a CPU, NumPy's selection is the fastest there is, but takes thirty times as long where half of the values are
    equal. So the zeros, which a clipping leaves in every image, are counted and not selected from.
    """
    negative = row[row < 0]
    if rank < len(negative):
        return float(np.partition(negative, rank)[rank])
    rank -= len(negative) + int(np.count_nonzero(row == 0))
    if rank < 0:
        return 0.0
    return float(np.partition(row[~(row <= 0)], rank)[rank])
