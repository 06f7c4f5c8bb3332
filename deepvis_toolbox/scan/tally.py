"""All that a scan has found so far: what batches, shards and workers add up to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.scan.numbers.calibration import Calibration
from deepvis_toolbox.scan.numbers.channel_statistics import ChannelStatistics, summable_bits
from deepvis_toolbox.scan.numbers.correlation_sums import CorrelationSums
from deepvis_toolbox.scan.numbers.held_out import HeldOut
from deepvis_toolbox.scan.numbers.place_sample import PLACES_A_SIDE
from deepvis_toolbox.scan.numbers.top_table import TopTable
from deepvis_toolbox.scan.scan_settings import ScanSettings

Arrays = dict[str, NDArray]


class Tally:
    """Top and bottom tables, statistics, pictures held out, those skipped, and which batches they come from."""

    def __init__(
        self,
        settings: ScanSettings,
        calibration: Calibration,
        pictures: int,
        device: torch.device | None = None,
        held_out: NDArray[np.int32] | None = None,
    ) -> None:
        """Take `device`: where the statistics are kept, by default the CPU; `held_out`: the pictures chosen for it."""
        index = settings.index
        self.device = device or torch.device("cpu")
        limits = torch.from_numpy(index.spread([calibration.limits[name] for name in index.names])).to(self.device)
        bits = summable_bits(pictures * PLACES_A_SIDE**2)
        self.settings, self.calibration, self.pictures = settings, calibration, pictures
        self.tables = {"top": TopTable.empty(index.total, settings.top)}
        if settings.bottom:
            self.tables["bottom"] = TopTable.empty(index.total, settings.top, largest=False)
        self.maxima = ChannelStatistics(limits, bits)
        self.places = ChannelStatistics(limits, bits) if settings.statistics else None
        self.correlations = CorrelationSums(index, limits, bits) if settings.correlations else None
        chosen = np.empty(0, np.int32) if held_out is None else held_out
        self.held_out = HeldOut(chosen, limits) if settings.held_out else None
        self.skipped: dict[int, str] = {}
        self.done: list[tuple[int, int]] = []

    def another(self) -> Tally:
        """Return an empty one, for another part of the same scan."""
        chosen = self.held_out.chosen if self.held_out else None
        return Tally(self.settings, self.calibration, self.pictures, self.device, chosen)

    def mark_done(self, first: int, last: int) -> None:
        """Note that batches `first` … `last` - 1 are in. `ToolboxError` where one of them was in already."""
        ranges = sorted([*self.done, (first, last)])
        joined: list[tuple[int, int]] = []
        for begin, end in ranges:
            if joined and begin < joined[-1][1]:
                raise ToolboxError(f"the batches {begin} to {joined[-1][1] - 1} are in twice; merge each part once")
            if joined and begin == joined[-1][1]:
                joined[-1] = (joined[-1][0], end)
            else:
                joined.append((begin, end))
        self.done = joined

    @property
    def batches_done(self) -> int:
        """How many batches are in."""
        return sum(end - begin for begin, end in self.done)

    def left_of(self, first: int, last: int) -> list[range]:
        """Return which of the batches `first` … `last` - 1 are not in, ascending."""
        left = []
        for begin, end in [*self.done, (last, last)]:
            if first < min(begin, last):
                left.append(range(first, min(begin, last)))
            first = max(first, end)
        return left

    def merge(self, other: Tally) -> None:
        """Add another part of the same scan."""
        for begin, end in other.done:
            self.mark_done(begin, end)
        self.tables = {name: table.merge(other.tables[name]) for name, table in self.tables.items()}
        self.maxima.merge(other.maxima)
        if self.places is not None and other.places is not None:
            self.places.merge(other.places)
        if self.correlations is not None and other.correlations is not None:
            self.correlations.merge(other.correlations)
        if self.held_out is not None and other.held_out is not None:
            self.held_out.merge(other.held_out)
        self.skipped |= other.skipped

    def arrays(self) -> Arrays:
        """Return everything but `skipped` and `done`, as arrays by name; layers by their number.

        Shapes (units, …) and dtypes are those of the tables and sums; counts are in the smallest that holds them.
        """
        found: Arrays = {
            f"{table}.{name}": array for table, part in self.tables.items() for name, array in part.arrays().items()
        }
        found |= {f"maxima.{name}": _smallest(array) for name, array in self.maxima.arrays().items()}
        if self.places is not None:
            found |= {f"places.{name}": _smallest(array) for name, array in self.places.arrays().items()}
        if self.correlations is not None:
            numbers = {name: number for number, name in enumerate(self.settings.index.names)}
            triangles = self.correlations.arrays()
            found |= {f"correlation.{numbers[name]}": array for name, array in triangles.items()}
        if self.held_out is not None:
            found |= {f"held_out.{name}": array for name, array in self.held_out.arrays().items()}
        return found

    def load(self, arrays: Mapping[str, NDArray]) -> None:
        """Take in what `arrays` gave, in its shapes; the dtype of whole numbers may be any that holds them."""
        for name, table in self.tables.items():
            self.tables[name] = TopTable.from_arrays(_part(arrays, name), table.largest)
        self.maxima.load(_part(arrays, "maxima"))
        if self.places is not None:
            self.places.load(_part(arrays, "places"))
        if self.correlations is not None:
            names = self.settings.index.names
            triangles = _part(arrays, "correlation")
            self.correlations.load({names[int(number)]: array for number, array in triangles.items()})
        if self.held_out is not None:
            self.held_out.load(_part(arrays, "held_out"))


def _part(arrays: Mapping[str, NDArray], name: str) -> Arrays:
    return {key.removeprefix(f"{name}."): np.array(arrays[key]) for key in arrays if key.startswith(f"{name}.")}


def _smallest(counts: NDArray[np.int64]) -> NDArray:
    """Return histograms in the smallest unsigned type that holds them: they are most of the file and small numbers."""
    return counts.astype(np.min_scalar_type(int(counts.max(initial=0)))) if counts.ndim == 2 else counts
