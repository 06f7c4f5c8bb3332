"""How the channels' maxima of a layer go together over the pictures: exact sums of products, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.scan.numbers.channel_statistics import rounded
from deepvis_toolbox.scan.numbers.unit_index import UnitIndex

MOST_UNITS = 2048
"""Larger layers get no matrix: it would take more than 32 MiB each."""
_MOST_ROWS = 4096
"""So many products of two values of 20 bits float64 adds up exactly."""

_STRIP = 192


class CorrelationSums:
    """For each layer of at most `MOST_UNITS` units the sums of products of its units' rounded maxima, int64 (C, C)."""

    def __init__(self, index: UnitIndex, limits: torch.Tensor, bits: int) -> None:
        self._index, self._limits, self._bits = index, limits, bits
        small = [layer for layer in index.layers if layer.channels <= MOST_UNITS]
        self._sums = {
            layer.name: torch.zeros((layer.channels, layer.channels), dtype=torch.int64, device=limits.device)
            for layer in small
        }
        self._latest = {name: sums.double() for name, sums in self._sums.items()}
        self._rows = dict.fromkeys(self._sums, 0)

    def add(self, layer: str, maxima: torch.Tensor) -> None:
        """Take in a layer's maxima, float32 (R, C)."""
        if layer not in self._sums:
            return
        for rows in maxima.split(_MOST_ROWS):
            if self._rows[layer] + len(rows) > _MOST_ROWS:
                self._settle(layer)
            steps = rounded(rows, self._limits[self._index.slices[layer]], self._bits)
            _add_products(self._latest[layer], steps)
            self._rows[layer] += len(rows)

    def _settle(self, layer: str) -> None:
        if not self._rows[layer]:
            return
        self._sums[layer] += self._latest[layer].long()
        self._latest[layer].zero_()
        self._rows[layer] = 0

    def _settled(self) -> dict[str, torch.Tensor]:
        for layer in self._sums:
            self._settle(layer)
        return self._sums

    def merge(self, other: CorrelationSums) -> None:
        """Add what another part of the same scan has seen."""
        for name, sums in other._settled().items():
            self._sums[name] += sums

    def arrays(self) -> dict[str, NDArray[np.int64]]:
        """Return, by layer, the lower triangle of its sums of products, row by row: int64 (C·(C + 1)/2,)."""
        return {name: sums.cpu().numpy()[np.tril_indices(len(sums))] for name, sums in self._settled().items()}

    def load(self, arrays: Mapping[str, NDArray]) -> None:
        """Take what `arrays` gave, int64 (C·(C + 1)/2,) a layer, in place of the sums so far."""
        for name, sums in self._settled().items():
            sums.copy_(torch.from_numpy(full_matrix(arrays[name], len(sums))))


def _add_products(sums: torch.Tensor, steps: torch.Tensor) -> None:
    """Do sums += stepsᵀ · steps, in strips that end at or right of the diagonal; what lies above it is of no use."""
    for end in range(_STRIP, len(sums) + _STRIP, _STRIP):
        sums[end - _STRIP : end, :end].addmm_(steps[:, end - _STRIP : end].T, steps[:, :end])


def full_matrix(triangle: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the symmetric matrix, int64 (size, size), of a lower triangle that `arrays` gave, row by row."""
    matrix = np.zeros((size, size), np.int64)
    matrix[np.tril_indices(size)] = triangle
    return matrix + np.tril(matrix, -1).T


def correlation(triangle: NDArray[np.int64], sums: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Return Pearson's correlation of a layer's units, float64 (C, C).

    `triangle`: the sums of products, int64, as `arrays` gives them; `sums`: int64 (C,); `count`: of pictures. NaN
    stands in the rows and columns of units that never vary.
    """
    products = full_matrix(triangle, len(sums)).astype(np.longdouble)
    totals = sums.astype(np.longdouble)
    covariance = products * count - np.outer(totals, totals)
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = covariance / np.outer(deviation, deviation)
    return np.clip(scaled, -1, 1).astype(np.float64)


def correlation_of(triangle: NDArray[np.int64], sums: NDArray[np.int64], count: int, unit: int) -> NDArray[np.float64]:
    """Return one unit's row of what `correlation` gives, float64 (C,), without making the matrix."""
    units = np.arange(len(sums))
    lower, upper = np.maximum(units, unit), np.minimum(units, unit)
    products = triangle[lower * (lower + 1) // 2 + upper].astype(np.longdouble)
    squares = triangle[units * (units + 3) // 2].astype(np.longdouble)
    totals = sums.astype(np.longdouble)
    deviation = np.sqrt(np.maximum(squares * count - totals * totals, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = (products * count - totals * totals[unit]) / (deviation * deviation[unit])
    return np.clip(scaled, -1, 1).astype(np.float64)
