"""Each channel's largest (or smallest) value in each picture, taken while the layer is still in the processor's cache.

A layer is read once, by rows or by columns; where in the picture the value lies is looked up only for values that enter
the top, first among the rows' (or columns') extremes, then in that row. A layer whose rectifier only clips is read
below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.scan.numbers.calibration import ClipRange
from deepvis_toolbox.scan.numbers.unit_index import UnitIndex, grid_of_places

_ELEMENTS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Candidates:
    """Values that may enter the top, arrays (k,): one a unit and picture; a unit's own in the order of the pictures."""

    unit: NDArray[np.int64]
    """Position among all units of the scan."""
    picture: NDArray[np.int64]
    """Position in the batch."""
    value: NDArray[np.float32]
    below: NDArray[np.float32]
    """The value below the rectifier, there; the value itself where there is no rectifier."""
    place: NDArray[np.int64]
    """Row-major place, row * width + column; -1 where the layer has none, and for class tokens."""


class _Found(NamedTuple):
    """A layer's candidates; `start`: the layer's first unit, `width`: columns, 0 where the layer has no places;
    `others`: the tokens in front of those that have some."""

    start: int
    width: int
    others: int
    picture: torch.Tensor
    channel: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor
    minor: torch.Tensor | None
    """The values below the rectifier where they are not the ranked ones."""


class ClipRanges:
    """Between which values each unit's activations are clipped by its rectifier; without one, by nothing."""

    def __init__(self, index: UnitIndex, clips: Mapping[str, ClipRange], device: torch.device) -> None:
        ranges = [clips.get(name, (-np.inf, np.inf)) for name in index.names]
        low, high = (index.spread(side).astype(np.float32) for side in zip(*ranges, strict=True))
        self.of_layer = dict(clips)
        self.low, self.high = torch.from_numpy(low).to(device), torch.from_numpy(high).to(device)
        self.by_below: NDArray[np.bool_] = np.isfinite(low)


class ChannelExtremes:
    """A visitor of one batch: the extremes of every unit in every picture, and the candidates for its top.

    `thresholds` (units,): what a unit's last top value is, below the rectifier where that only clips; NaN-free.
    `readable` (B,): the pictures that count. `top`: how many values of a unit can enter. `largest`: False looks for the
    smallest values instead.
    """

    def __init__(
        self,
        index: UnitIndex,
        clips: ClipRanges,
        thresholds: torch.Tensor,
        readable: torch.Tensor,
        top: int,
        largest: bool = True,
    ) -> None:
        self._index, self._clips, self._top, self._largest = index, clips, top, largest
        self._thresholds = thresholds if largest else -thresholds
        self._unreadable = None if bool(readable.all()) else ~readable
        self._others = {layer.name: layer.other_tokens for layer in index.layers if grid_of_places(layer)}
        self._ranked = torch.empty((len(readable), index.total), dtype=torch.float32, device=thresholds.device)
        self._found: list[_Found] = []

    def __call__(self, name: str, value: torch.Tensor, below: torch.Tensor | None) -> None:
        """Take in one layer, as `Network.visit` hands it over."""
        clipped = name in self._clips.of_layer
        paired = below is not None and not clipped and below.shape == value.shape
        grid = as_grid(below if clipped and below is not None else value)
        units = self._index.slices[name]
        lines = self._lines(grid)
        extreme = self._ranked[:, units]
        self._reduced(lines, 1, extreme)
        channel, picture = self._entering(extreme, self._thresholds[units], paired).t().nonzero(as_tuple=True)
        if not picture.numel():
            return
        if paired and below is not None:
            row, column, minor = self._places_by_pairs(grid, as_grid(below), extreme, picture, channel)
        else:
            (row, column), minor = self._places(grid, lines, picture, channel), None
        width, others = (grid.shape[2], self._others[name]) if name in self._others else (0, 0)
        self._found.append(_Found(units.start, width, others, picture, channel, row, column, minor))

    @property
    def ranked(self) -> torch.Tensor:
        """What activations are ordered by, float32 (B, units): where a rectifier only clips, the values below it."""
        return self._ranked

    @property
    def extremes(self) -> torch.Tensor:
        """The activations, float32 (B, units); once all layers are in."""
        return torch.clamp(self._ranked, self._clips.low, self._clips.high)

    def candidates(self) -> Candidates:
        """Return what may enter the top, of all layers. What can be done for all layers at once is done here."""
        found = self._found
        if not found:
            none, nothing = np.empty(0, np.int64), np.empty(0, np.float32)
            return Candidates(none, none, nothing, nothing, none)
        counts = [part.picture.numel() for part in found]
        of_layers = zip(*(part[:3] for part in found), strict=True)
        start, width, others = (np.repeat(numbers, counts) for numbers in of_layers)
        picture, channel, row, column = (torch.cat(parts) for parts in zip(*(part[3:7] for part in found), strict=True))
        unit = channel + torch.from_numpy(start).to(channel.device)
        ranked = self._ranked[picture, unit]
        minors = [
            own if part.minor is None else part.minor.float()
            for own, part in zip(ranked.split(counts), found, strict=True)
        ]
        value = torch.clamp(ranked, self._clips.low[unit], self._clips.high[unit])
        place = row.cpu().numpy() * width + column.cpu().numpy() - others  # below 0: a token in front of the grid
        place = np.where(width > 0, np.maximum(place, -1), -1)
        below = torch.cat(minors).cpu().numpy()
        return Candidates(unit.cpu().numpy(), picture.cpu().numpy(), value.cpu().numpy(), below, place)

    def _lines(self, grid: torch.Tensor) -> torch.Tensor:
        """Return each row's extremes (N, H, C), or each column's (N, W, C)."""
        if _is_read_by_columns(grid):
            whole_rows = grid.view(*grid.shape[:2], -1)
            return self._reduced(whole_rows, 1).view(len(grid), *grid.shape[2:])
        return self._reduced(grid, 2)

    def _reduced(self, values: torch.Tensor, dimension: int, out: torch.Tensor | None = None) -> torch.Tensor:
        if values.shape[dimension] == 1:
            only = values.select(dimension, 0)
            return only if out is None else out.copy_(only)
        reduce = torch.amax if self._largest else torch.amin
        if out is None or out.dtype != values.dtype:
            found = reduce(values, dimension)
            return found if out is None else out.copy_(found)
        return reduce(values, dimension, out=out)

    def _entering(self, extreme: torch.Tensor, threshold: torch.Tensor, paired: bool) -> torch.Tensor:
        """Return which enter, bool (B, C): a later picture must be better, or equal where the values below tell them
        apart."""
        if self._largest:
            enters = extreme >= threshold if paired else extreme > threshold
        else:
            enters = extreme <= threshold if paired else extreme < threshold
        if self._unreadable is not None:
            enters.masked_fill_(self._unreadable[:, None], False)
        return enters if len(extreme) <= 2 * self._top else self._best_of_batch(extreme, enters)

    def _best_of_batch(self, extreme: torch.Tensor, enters: torch.Tensor) -> torch.Tensor:
        """Of many pictures at the beginning of a scan nearly all would enter, and most be pushed out by the rest."""
        ranked = extreme.masked_fill(~enters, -torch.inf if self._largest else torch.inf)
        last = ranked.topk(self._top, 0, largest=self._largest).values[-1]
        return enters & (extreme >= last if self._largest else extreme <= last)

    def _places(
        self, grid: torch.Tensor, lines: torch.Tensor, picture: torch.Tensor, channel: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return row and column of the first place in row-major order that has the extreme value."""
        of_lines = lines[picture, :, channel]
        line = self._position(of_lines)
        if not _is_read_by_columns(grid):
            return line, self._position(grid[picture, line, :, channel])
        row = self._position(grid[picture, :, line, channel])
        in_several = (of_lines == of_lines.gather(1, line[:, None])).count_nonzero(1) > 1
        if in_several.any():
            for several in in_several.nonzero()[:, 0].split(_planes_at_once(grid)):
                place = self._position(grid[picture[several], :, :, channel[several]].flatten(1))
                row[several], line[several] = place // grid.shape[2], place % grid.shape[2]
        return row, line

    def _places_by_pairs(
        self,
        grid: torch.Tensor,
        below: torch.Tensor,
        extreme: torch.Tensor,
        picture: torch.Tensor,
        channel: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return row, column and value of the most extreme value below the rectifier among the places with the extreme
        value.

        The first place in row-major order where several are equal.
        """
        worst = -torch.inf if self._largest else torch.inf
        step = _planes_at_once(grid)
        places, minors = [], []
        for pictures, channels in zip(picture.split(step), channel.split(step), strict=True):
            elsewhere = grid[pictures, :, :, channels].flatten(1) != extreme[pictures, channels][:, None]
            lower = below[pictures, :, :, channels].flatten(1).float().masked_fill(elsewhere, worst)
            places.append(self._position(lower))
            minors.append(lower.gather(1, places[-1][:, None])[:, 0])
        place = torch.cat(places)
        return place // grid.shape[2], place % grid.shape[2], torch.cat(minors)

    def _position(self, values: torch.Tensor) -> torch.Tensor:
        """Return the first position of the extreme value in each row."""
        return values.argmax(1) if self._largest else values.argmin(1)


def _is_read_by_columns(grid: torch.Tensor) -> bool:
    """Return whether all columns are reduced side by side, as if they were channels.

    PyTorch's reduction takes 32 neighbours at a time and the rest one by one, many times more slowly.
    """
    height, width, channels = grid.shape[1:]
    return channels % 32 > 0 and height > 1 and grid.stride()[1:] == (width * channels, channels, 1)


def _planes_at_once(grid: torch.Tensor) -> int:
    return max(1, _ELEMENTS_AT_ONCE // (grid.shape[1] * grid.shape[2]))


def as_grid(value: torch.Tensor) -> torch.Tensor:
    """Return a layer's value, float32 (N, …), as a view (N, H, W, C).

    Flat layers count as 1×1, tokens (T, D) as 1×T, others as 1×places.
    """
    if value.ndim == 4:
        return value.permute(0, 2, 3, 1)
    if value.ndim == 2:
        return value[:, None, None, :]
    if value.ndim == 3:
        return value[:, None]
    return value.flatten(2).permute(0, 2, 1)[:, None]
