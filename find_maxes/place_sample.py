"""Values at a fixed sample of places of every picture, for statistics over places."""

from __future__ import annotations

import numpy as np
import torch

from find_maxes.channel_extremes import ClipRanges, as_grid

PLACES_A_SIDE = 3
"""A layer of H×W places gives the min(H, 3)×min(W, 3) places in the middles of equal parts of it."""


class PlaceSample:
    """A visitor of one batch: keeps each layer's values at the sampled places."""

    def __init__(self, clips: ClipRanges, readable: torch.Tensor) -> None:
        self._clips, self._readable = clips, readable
        self._sampled: dict[str, torch.Tensor] = {}

    def __call__(self, name: str, value: torch.Tensor, below: torch.Tensor | None) -> None:
        """Takes in one layer, as `Network.visit` hands it over."""
        clip = self._clips.of_layer.get(name)
        grid = as_grid(below if clip and below is not None else value)
        rows, columns = (torch.tensor(sampled_places(size), device=grid.device) for size in grid.shape[1:3])
        sample = grid[:, rows[:, None], columns].flatten(1, 2).float()
        self._sampled[name] = sample.clamp(*clip) if clip else sample

    def values(self, layer: str) -> torch.Tensor:
        """The layer's values at the places of the readable pictures, a row each place, float32 (R, C)."""
        return self._sampled[layer][self._readable].flatten(0, 1)


def sampled_places(size: int) -> list[int]:
    """Which of `size` rows or columns are looked at."""
    count = min(size, PLACES_A_SIDE)
    return [int(place) for place in (2 * np.arange(count) + 1) * size // (2 * count)]
