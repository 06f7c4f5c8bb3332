"""How the channels' maxima of a layer go together over the pictures: exact sums of products, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from find_maxes.channel_statistics import rounded
from find_maxes.unit_index import UnitIndex

MOST_UNITS = 2048
"""Larger layers get no matrix: it would take more than 32 MiB each."""


class CorrelationSums:
    """For each layer of at most `MOST_UNITS` units the sums of products of its units' rounded maxima, int64 (C, C)."""

    def __init__(self, index: UnitIndex, limits: torch.Tensor, bits: int) -> None:
        self._index, self._limits, self._bits = index, limits, bits
        self._sums = {
            layer.name: torch.zeros((layer.channels, layer.channels), dtype=torch.int64, device=limits.device)
            for layer in index.layers
            if layer.channels <= MOST_UNITS
        }

    def add(self, layer: str, maxima: torch.Tensor) -> None:
        """Takes in a layer's maxima, float32 (R, C). R is at most 4096, so that float64 holds each sum exactly."""
        if layer in self._sums:
            units = self._index.slices[layer]
            steps = rounded(maxima, self._limits[units], self._bits)
            self._sums[layer] += _products(steps).long()

    def merge(self, other: CorrelationSums) -> None:
        """Adds what another part of the same scan has seen."""
        for name, sums in self._sums.items():
            sums += other._sums[name]

    def arrays(self) -> dict[str, NDArray[np.int64]]:
        """{layer: the lower triangle of its sums, row by row}."""
        return {name: sums.cpu().numpy()[np.tril_indices(len(sums))] for name, sums in self._sums.items()}

    def load(self, arrays: Mapping[str, NDArray]) -> None:
        """Takes the place of the sums so far."""
        for name, sums in self._sums.items():
            sums.copy_(torch.from_numpy(full_matrix(arrays[name], len(sums))))


def _products(steps: torch.Tensor) -> torch.Tensor:
    if steps.device.type != "cpu":
        return steps.T @ steps
    array = steps.numpy()
    return torch.from_numpy(array.T @ array)  # NumPy sees the symmetry and computes one half of it


def full_matrix(triangle: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """The symmetric matrix of a lower triangle that `arrays` gave."""
    matrix = np.zeros((size, size), np.int64)
    matrix[np.tril_indices(size)] = triangle
    return matrix + np.tril(matrix, -1).T


def correlation(triangle: NDArray[np.int64], sums: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Pearson's correlation of a layer's units, (C, C); NaN in the rows and columns of units that never vary."""
    products = full_matrix(triangle, len(sums)).astype(np.longdouble)
    totals = sums.astype(np.longdouble)
    covariance = products * count - np.outer(totals, totals)
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = covariance / np.outer(deviation, deviation)
    return np.clip(scaled, -1, 1).astype(np.float64)
