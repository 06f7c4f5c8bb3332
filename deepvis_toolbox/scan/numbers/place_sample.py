"""Values at a fixed sample of places of every picture, for statistics over places."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch

from deepvis_toolbox.scan.numbers.channel_extremes import ClipRanges, as_grid
from deepvis_toolbox.scan.numbers.row_buffer import RowBuffer

PLACES_A_SIDE = 3
"""A layer of H×W places gives the min(H, 3)×min(W, 3) places in the middles of equal parts of it."""


class PlaceSample:
    """A visitor of batches: collects each layer's values at the sampled places, of at most `room` pictures."""

    def __init__(self, clips: ClipRanges, room: int) -> None:
        self._clips, self._room = clips, room
        self._sampled: dict[str, RowBuffer] = {}
        self._pictures = 0
        self._unreadable: torch.Tensor | None = None

    def has_room_for(self, pictures: int) -> bool:
        """Return whether so many more pictures fit."""
        return self._pictures + pictures <= self._room

    def begin(self, readable: torch.Tensor) -> None:
        """Begin the next batch, bool (N,): which of its pictures count."""
        self._pictures += len(readable)
        self._unreadable = None if bool(readable.all()) else ~readable

    def __call__(self, name: str, value: torch.Tensor, below: torch.Tensor | None) -> None:
        """Take in one layer, as `Network.visit` hands it over."""
        clip = self._clips.of_layer.get(name)
        grid = as_grid(below if clip and below is not None else value)
        rows, columns = (_on_device(size, grid.device) for size in grid.shape[1:3])
        sample = grid[:, rows[:, None], columns].flatten(1, 2)
        pictures, places, units = sample.shape
        if name not in self._sampled:
            self._sampled[name] = RowBuffer(self._room * places, units, sample.device)
        kept = self._sampled[name].add(sample.flatten(0, 1))
        if clip:
            kept.clamp_(*clip)
        if self._unreadable is not None:
            kept.view(pictures, places, units)[self._unreadable] = torch.nan

    def take(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield (layer, float32 (R, C)): a row each place of the pictures so far, NaN where one could not be read.

        Afterwards it is empty.
        """
        self._pictures = 0
        for name, sampled in self._sampled.items():
            yield name, sampled.take()


@lru_cache(maxsize=256)
def _on_device(size: int, device: torch.device) -> torch.Tensor:
    return torch.tensor(sampled_places(size), device=device)


def sampled_places(size: int) -> list[int]:
    """Return which of `size` rows or columns are looked at."""
    count = min(size, PLACES_A_SIDE)
    return [int(place) for place in (2 * np.arange(count) + 1) * size // (2 * count)]
