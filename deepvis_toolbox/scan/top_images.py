"""The result of a scan, as its readers see it: arrays by layer, pictures by path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError, nearest_name
from deepvis_toolbox.scan.numbers.channel_statistics import BINS, histogram_edges
from deepvis_toolbox.scan.numbers.correlation_sums import correlation, correlation_of
from deepvis_toolbox.scan.numbers.unit_index import UnitIndex, grid_of_places
from deepvis_toolbox.scan.pictures.picture_list import PictureList
from deepvis_toolbox.scan.result_folder import ResultFolder


class ByLayer(Mapping[str, NDArray]):
    """Arrays over all units, cut by layer. Groups' names are understood, too."""

    def __init__(self, index: UnitIndex, array: NDArray) -> None:
        self._index, self._array = index, array

    def __getitem__(self, layer: str) -> NDArray:
        return self._array[self._index.slices[self._index.by_name[layer].name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._index.names)

    def __len__(self) -> int:
        return len(self._index.layers)


class RankedImages:
    """The pictures of every unit, best first, by layer.

    `values`, `below`: float32 (units, N), the activation and the value below the layer's rectifier (the same where it
    has none); NaN where there were fewer pictures. `images`: int32 (units, N), indices into the list of pictures.
    `places`: int32 (units, N, 2), row and column, of tokens on their grid. -1 where there is none: in flat layers, for
    class tokens, and for tokens without a grid.
    """

    def __init__(self, index: UnitIndex, arrays: Mapping[str, NDArray], table: str) -> None:
        flat = arrays[f"{table}.places"]
        widths = np.array([(grid_of_places(layer) or (1, 1))[1] for layer in index.layers])
        width = np.repeat(widths, [layer.channels for layer in index.layers])[:, None]
        places = np.where(flat[..., None] < 0, -1, np.stack([flat // width, flat % width], axis=-1)).astype(np.int32)
        self.values = ByLayer(index, arrays[f"{table}.values"])
        self.below = ByLayer(index, arrays[f"{table}.below"])
        self.images = ByLayer(index, arrays[f"{table}.images"])
        self.places = ByLayer(index, places)


@dataclass(frozen=True)
class LayerStatistics:
    """Statistics of a layer's units over the values seen: each picture's maximum, or the sampled places.

    All (units,): `count` int64 how many values; `mean`, `deviation` float64; `zero_share`, the share of values that are
    exactly 0; `silent_share`, of those that are 0 or less: over maxima, the pictures in which the unit never fires.
    `histogram`: int64 (units, bins) over `edges` (bins + 1).
    """

    count: NDArray[np.int64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    zero_share: NDArray[np.float64]
    silent_share: NDArray[np.float64]
    histogram: NDArray[np.int64]
    edges: NDArray[np.float64]


class TopImages(RankedImages):
    """For every unit of a scan's layers the pictures that excite it most; see `RankedImages` for the arrays.

    `paths`: where the pictures of the list are; `labels`: int64, -1 where unknown; `skipped`: {index: why it could not
    be read}; `bottom`: the pictures with the smallest activations, None unless asked for; `manifest`: what was scanned.
    """

    def __init__(
        self,
        manifest: dict[str, Any],
        arrays: Mapping[str, NDArray],
        pictures: PictureList,
    ) -> None:
        identity = manifest["identity"]
        self.index = UnitIndex.from_record(identity["layers"])
        super().__init__(self.index, arrays, "top")
        self.bottom = RankedImages(self.index, arrays, "bottom") if identity["bottom"] else None
        self.manifest = manifest
        self.pictures = pictures
        self._recorded: PictureList | None = None
        self._arrays = arrays

    @classmethod
    def load(cls, folder: str | Path) -> TopImages:
        """Read what a scan wrote. `ToolboxError` where it is missing, unfinished or damaged."""
        found = cls(*ResultFolder(folder).read())
        found._recorded = found.pictures
        return found

    def check_pictures_may_be_read(self) -> None:
        """Raise `ToolboxError` where a result that was read from a folder says, by itself, which host has the pictures.

        A result may come from anybody; the host is asked where `pictures` was set to what the user has named.
        """
        address = next(self.pictures.addresses, None) if self.pictures is self._recorded else None
        if address is not None:
            raise ToolboxError(
                f'the pictures of this scan are on a host ("{address}", as the result says); give their place to have '
                "it asked: --images"
            )

    @cached_property
    def paths(self) -> list[str]:
        """Where the pictures are, in the list's order."""
        return self.pictures.paths

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The pictures' class indices, int64 (pictures,); -1 where unknown."""
        return np.array(self.pictures.labels, np.int64)

    @property
    def skipped(self) -> dict[int, str]:
        """Why pictures could not be read, by index."""
        return {int(index): str(reason) for index, reason in self.manifest["skipped"].items()}

    @property
    def layers(self) -> list[str]:
        """The scanned layers' names."""
        return self.index.names

    @property
    def pictures_read(self) -> int:
        """How many pictures were looked at and could be read: of one shard, only its own."""
        size, end = self.manifest["identity"]["batch_size"], len(self.pictures)
        parts = ((first * size, min(last * size, end)) for first, last in self.manifest["batches_done"])
        return sum(last - first for first, last in parts) - len(self.manifest["skipped"])

    @property
    def is_complete(self) -> bool:
        """Whether all batches of the list are in: false for one shard."""
        identity = self.manifest["identity"]
        batches = -(-identity["pictures"]["count"] // identity["batch_size"])
        return bool(self.manifest["batches_done"] == [[0, batches]])

    @property
    def missing(self) -> str:
        """That these are the top images of a part of the pictures, a sentence; empty where they are of all."""
        if self.is_complete:
            return ""
        return (
            f"the scan has looked at {self.pictures_read} of {len(self.pictures)} pictures; these are their top images"
        )

    def statistics(self, layer: str) -> LayerStatistics:
        """Return statistics of each picture's maximum."""
        return self._statistics("maxima", layer)

    def place_statistics(self, layer: str) -> LayerStatistics:
        """Return statistics over a fixed sample of places of every picture (at most 3×3). `ToolboxError` unless
        asked for."""
        if not self.manifest["identity"]["statistics"]:
            raise ToolboxError("the scan was made without statistics over places; scan again with --statistics")
        return self._statistics("places", layer)

    def correlation(self, layer: str) -> NDArray[np.float64]:
        """Return Pearson's correlation between the units' maxima over the pictures, float64 (C, C).

        NaN for units that never vary, or whose value was not a number for some picture.

        `ToolboxError` where there is none: scans without correlations, layers of more than 2048 units.
        """
        triangle, sums, is_unknown = self._correlation_sums(layer)
        found = correlation(triangle, sums, self.pictures_read)
        found[is_unknown] = found[:, is_unknown] = np.nan
        return found

    def correlations_of(self, layer: str, unit: int) -> NDArray[np.float64]:
        """Return one unit's row of `correlation`, float64 (C,), at little of its cost. `ToolboxError` as there."""
        triangle, sums, is_unknown = self._correlation_sums(layer)
        found = correlation_of(triangle, sums, self.pictures_read, unit)
        found[is_unknown | is_unknown[unit]] = np.nan
        return found

    def _correlation_sums(self, layer: str) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Return the sums of products, the sums, and which units' value was not a number for some picture."""
        units = self._units(layer)
        number = self.index.names.index(self.index.by_name[layer].name)
        triangle = self._arrays.get(f"correlation.{number}")
        if triangle is None:
            raise ToolboxError(f'the scan holds no correlations of layer "{layer}" ({units.stop - units.start} units)')
        return triangle, self._arrays["maxima.sum"][units], self._arrays["maxima.count"][units] < self.pictures_read

    @property
    def held_out(self) -> NDArray[np.int32]:
        """The labelled pictures on which all values were kept, ascending indices, int32 (S,); none where the scan was
        made without them."""
        return self._arrays.get("held_out.images", np.empty(0, np.int32))

    def held_out_values(self, layer: str) -> NDArray[np.float16]:
        """Return the units' largest values on the pictures of `held_out`, float16 (S, units), in an order's numbers:
        the largest in the first batch is 1024 to 2048; below the rectifier where that only clips."""
        values = self._arrays.get("held_out.values", np.empty((0, self.index.total), np.float16))
        return values[:, self._units(layer)]

    def largest(self, layer: str) -> NDArray[np.float32]:
        """Return each unit's largest activation in the data set, float32 (units,); NaN where no picture was read."""
        self._units(layer)
        return self.values[layer][:, 0]

    @property
    def was_read(self) -> NDArray[np.bool_]:
        """Which of the list's pictures were looked at and could be read, bool (pictures,)."""
        read = np.zeros(len(self.pictures), bool)
        size = self.manifest["identity"]["batch_size"]
        for first, last in self.manifest["batches_done"]:
            read[first * size : last * size] = True
        read[list(self.skipped)] = False
        return read

    def _statistics(self, kind: str, layer: str) -> LayerStatistics:
        units = self._units(layer)
        names = ("count", "sum", "squares", "zeros", "not_positive", "histogram")
        count, total, squares, zeros, silent, histogram = (self._arrays[f"{kind}.{name}"][units] for name in names)
        identity, limits = self.manifest["identity"], self.manifest["calibration"]["limits"]
        step = limits[self.index.by_name[layer].name] / 2.0 ** identity["bits"]
        seen = np.maximum(count, 1)
        mean = total.astype(np.longdouble) / seen
        variance = np.maximum(squares.astype(np.longdouble) / seen - mean * mean, 0)
        return LayerStatistics(
            count,
            (mean * step).astype(np.float64),
            (np.sqrt(variance) * step).astype(np.float64),
            zeros / seen,
            silent / seen,
            histogram.reshape(-1, BINS).astype(np.int64),
            histogram_edges(),
        )

    def _units(self, layer: str) -> slice:
        if layer not in self.index.by_name:
            raise ToolboxError(f'the scan holds no layer "{layer}"{nearest_name(layer, self.index.names)}')
        return self.index.slices[self.index.by_name[layer].name]
