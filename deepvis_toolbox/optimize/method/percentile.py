"""What lies at or above a percentile, for each picture of a batch, as `numpy.percentile` defines it."""

from __future__ import annotations

from math import floor

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.network.device import widest_float


def reaching_percentile_(values: torch.Tensor, percentile: float) -> torch.Tensor:
    """Return `values` (N, …), overwritten: 0 where they lie strictly below their picture's `percentile`, else 1.

    `percentile`, 0 to 100, is `numpy.percentile`'s, interpolated linearly between the two order statistics next to it.
    No value lies between those two, so a comparison with one of them gives the same answer, and one selection is
    enough. The answer comes as numbers: on a CPU, PyTorch takes many times longer to compare into bool and back.
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
    return torch.ge(values, threshold.reshape(-1, *[1] * (values.ndim - 1)), out=values)


def _near_lower(lower: torch.Tensor, upper: torch.Tensor, fraction: float) -> torch.Tensor:
    """Return the lower one where the interpolation, in double precision, does not leave it, else the upper one."""
    wide_lower, wide_upper = (each.to(widest_float(each.device)) for each in (lower, upper))
    interpolated = wide_lower + (wide_upper - wide_lower) * fraction
    return torch.where(interpolated == wide_lower, lower, upper)


def _order_statistic(rows: torch.Tensor, rank: int) -> torch.Tensor:
    """Return the value of that rank (0: the smallest) of each row of float32, (N,)."""
    if rows.device.type != "cpu":
        return torch.kthvalue(rows, rank + 1, dim=1).values
    return torch.tensor([_selected(row, rank) for row in rows.numpy()])


def _selected(row: NDArray[np.float32], rank: int) -> np.float32:
    """Return the value of that rank; NaN counts as largest.

    Where no sign bit is set, numbers are ordered as their bit patterns are. A selection among those is fast, but for
    many equal ones, as a clipping leaves zeros in every image: less one, they wrap around to the top, out of its way.
    """
    bits = row.view(np.int32)
    if bits.min() < 0:
        return np.sort(row)[rank]  # type: ignore[no-any-return]
    zeros = len(bits) - np.count_nonzero(bits)
    if rank < zeros:
        return np.float32(0)
    wrapped = bits.view(np.uint32) - np.uint32(1)
    wrapped.partition(rank - zeros)
    return (wrapped[rank - zeros] + np.uint32(1)).view(np.float32)  # type: ignore[no-any-return]
