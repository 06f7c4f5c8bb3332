"""Values at a fixed sample of places of every picture, for statistics over places."""

from __future__ import annotations

import numpy as np
import torch

from find_maxes.channel_extremes import as_grid
from find_maxes.unit_index import UnitIndex

PLACES_A_SIDE = 4
"""A layer of H×W places gives the min(H, 4)×min(W, 4) places in the middles of equal parts of it."""


class PlaceSample:
    """A visitor of one batch: `values`, float32 (B, 16, units); NaN where a layer has fewer places."""

    def __init__(self, index: UnitIndex, readable: torch.Tensor, device: torch.device) -> None:
        self._index = index
        self._readable = readable
        size = (len(readable), PLACES_A_SIDE**2, index.total)
        self._values = torch.full(size, torch.nan, dtype=torch.float32, device=device)

    def __call__(self, name: str, value: torch.Tensor, below: torch.Tensor | None) -> None:  # noqa: ARG002
        """Takes in one layer, as `Network.visit` hands it over."""
        grid = as_grid(value)
        rows, columns = (sampled_places(size) for size in grid.shape[1:3])
        sample = grid[:, rows][:, :, columns].flatten(1, 2)
        self._values[:, : sample.shape[1], self._index.slices[name]] = sample

    @property
    def values(self) -> torch.Tensor:
        """The sampled values of the readable pictures, a row each place, float32 (R, units)."""
        return self._values[self._readable].flatten(0, 1)


def sampled_places(size: int) -> list[int]:
    """Which of `size` rows or columns are looked at."""
    count = min(size, PLACES_A_SIDE)
    return [int(place) for place in (2 * np.arange(count) + 1) * size // (2 * count)]
