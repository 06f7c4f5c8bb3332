"""Each channel's largest (or smallest) value in each picture, taken while the layer is still in the processor's cache.

A layer is read once, row by row; where in the picture the value lies is looked up only for values that enter the top,
first among the rows' extremes, then in that row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from find_maxes.calibration import Clip
from find_maxes.unit_index import UnitIndex

_ELEMENTS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Candidates:
    """Values that may enter the top, arrays (k,): one a unit and picture."""

    unit: NDArray[np.int64]
    """Position among all units of the scan."""
    picture: NDArray[np.int64]
    """Position in the batch."""
    value: NDArray[np.float32]
    below: NDArray[np.float32]
    """The value below the rectifier, there; the value itself where there is no rectifier."""
    place: NDArray[np.int32]
    """Row-major place, row * width + column; -1 where the layer is not spatial."""


class ChannelExtremes:
    """A visitor of one batch: fills `extremes`, float32 (B, units), and collects candidates.

    `thresholds` (units,): what a unit's last top value is, in the terms of `primary_of`; NaN-free. `largest`: False
    looks for the smallest values instead. `readable` (B,): the pictures that count.
    """

    def __init__(
        self,
        index: UnitIndex,
        clips: Mapping[str, Clip],
        thresholds: torch.Tensor,
        readable: torch.Tensor,
        largest: bool = True,
    ) -> None:
        self._index, self._clips = index, clips
        self._thresholds, self._readable, self._largest = thresholds, readable, largest
        self._spatial = {layer.name for layer in index.layers if layer.is_spatial}
        self.extremes = torch.empty((len(readable), index.total), dtype=torch.float32, device=thresholds.device)
        self._found: list[tuple[torch.Tensor, ...]] = []

    def __call__(self, name: str, value: torch.Tensor, below: torch.Tensor | None) -> None:
        """Takes in one layer, as `Network.visit` hands it over."""
        clip = self._clips.get(name)
        paired = below is not None and clip is None and below.shape == value.shape
        ranked = as_grid(below if clip and below is not None else value)
        rows = self._reduced(ranked, 2)
        extreme = self._reduced(rows, 1)
        values = extreme.clamp(*clip) if clip else extreme
        units = self._index.slices[name]
        self.extremes[:, units] = values
        enters = self._entering(extreme, self._thresholds[units], paired)
        if not enters.any():
            return
        picture, channel = enters.nonzero(as_tuple=True)
        if paired and below is not None:
            place, minor = self._places_by_pairs(ranked, as_grid(below), extreme, picture, channel)
        else:
            place, minor = self._places(ranked, rows, picture, channel), extreme[picture, channel]
        if name not in self._spatial:
            place = torch.full_like(place, -1)
        self._found.append((channel + units.start, picture, values[picture, channel], minor, place))

    def candidates(self) -> Candidates:
        """What may enter the top, of all layers."""
        if not self._found:
            none = np.empty(0, np.int64)
            return Candidates(none, none, none.astype(np.float32), none.astype(np.float32), none.astype(np.int32))
        columns = [torch.cat(parts).cpu().numpy() for parts in zip(*self._found, strict=True)]
        unit, picture, value, below, place = columns
        return Candidates(unit, picture, value.astype(np.float32), below.astype(np.float32), place.astype(np.int32))

    def _reduced(self, values: torch.Tensor, dimension: int) -> torch.Tensor:
        if values.shape[dimension] == 1:
            return values.squeeze(dimension).float()
        reduced = values.amax(dimension) if self._largest else values.amin(dimension)
        return reduced.float()

    def _entering(self, extreme: torch.Tensor, threshold: torch.Tensor, paired: bool) -> torch.Tensor:
        """A later picture enters by being better; where equal values are told apart below, also by being equal."""
        ranked = extreme if self._largest else -extreme
        enters = ranked >= threshold if paired else ranked > threshold
        return enters & self._readable[:, None]

    def _places(
        self, grid: torch.Tensor, rows: torch.Tensor, picture: torch.Tensor, channel: torch.Tensor
    ) -> torch.Tensor:
        """The first place in row-major order that has the extreme value."""
        row = self._position(rows[picture, :, channel])
        column = self._position(grid[picture, row, :, channel])
        return row * grid.shape[2] + column

    def _places_by_pairs(
        self,
        grid: torch.Tensor,
        below: torch.Tensor,
        extreme: torch.Tensor,
        picture: torch.Tensor,
        channel: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Among the places with the extreme value the first with the most extreme value below the rectifier."""
        worst = -torch.inf if self._largest else torch.inf
        step = max(1, _ELEMENTS_AT_ONCE // (grid.shape[1] * grid.shape[2]))
        places, minors = [], []
        for pictures, channels in zip(picture.split(step), channel.split(step), strict=True):
            reached = grid[pictures, :, :, channels].flatten(1) == extreme[pictures, channels][:, None]
            lower = below[pictures, :, :, channels].flatten(1).float().masked_fill(~reached, worst)
            places.append(self._position(lower))
            minors.append(lower.gather(1, places[-1][:, None])[:, 0])
        return torch.cat(places), torch.cat(minors)

    def _position(self, values: torch.Tensor) -> torch.Tensor:
        """The first position of the extreme value in each row."""
        return values.argmax(1) if self._largest else values.argmin(1)


def as_grid(value: torch.Tensor) -> torch.Tensor:
    """A layer's value (N, …) as a view (N, H, W, C): flat layers as 1×1, tokens (T, D) as 1×T, others as 1×places."""
    if value.ndim == 4:
        return value.permute(0, 2, 3, 1)
    if value.ndim == 2:
        return value[:, None, None, :]
    if value.ndim == 3:
        return value[:, None]
    return value.flatten(2).permute(0, 2, 1)[:, None]
