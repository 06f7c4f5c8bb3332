"""What every unit does on a sample of the labelled pictures, which a scan holds out to test units' classes on.

Which pictures is decided by their places in the list alone, so that batches, shards and restarts choose the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

MOST_HELD_OUT = 10_000
_USUAL, _USUAL_BYTES = 2000, 128 << 20
_LARGEST = 65504.0
"""Of float16."""
_LIMIT_IS = 2.0**15
"""The kept number of a layer's limit: what the first batch shows lies four octaves below the largest of float16."""


def held_out_count(labels: NDArray[np.int64], units: int, asked: int | None) -> int:
    """Return how many pictures are held out where `asked` are wanted; None: as many as usual.

    `labels`: int64 (pictures,), -1 where unknown. At most half of the labelled ones.
    """
    usual = min(_USUAL, _USUAL_BYTES // (2 * units))
    return min(usual if asked is None else asked, int((labels >= 0).sum()) // 2)


def held_out_pictures(labels: NDArray[np.int64], count: int) -> NDArray[np.int32]:
    """Return `count` of the labelled pictures, as by lot: ascending indices, int32 (count,)."""
    labelled = np.flatnonzero(labels >= 0)
    chosen = labelled[np.argsort(scattered(labelled), kind="stable")[:count]]
    return np.sort(chosen).astype(np.int32)


def scattered(indices: NDArray) -> NDArray[np.uint64]:
    """Return a number for each index, uint64 (N,), by whose order they are as if shuffled (the finalizer of
    SplitMix64)."""
    mixed = indices.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


class HeldOut:
    """The values of all units on those of the `chosen` pictures, int32 ascending, that were looked at so far.

    `limits` (units,): float64, powers of two; a value is kept as float16, the limit being 2^15.
    """

    def __init__(self, chosen: NDArray[np.int32], limits: torch.Tensor) -> None:
        self.chosen = chosen
        self._scales = (_LIMIT_IS / limits).float()
        self._rows: dict[int, NDArray[np.float16]] = {}

    def add(self, first: int, readable: NDArray[np.bool_], values: torch.Tensor) -> None:
        """Take in the pictures `first` … of the list: `readable` bool (B,), `values` float32 (B, units)."""
        begin, end = np.searchsorted(self.chosen, [first, first + len(readable)])
        offsets = [index - first for index in self.chosen[begin:end].tolist() if readable[index - first]]
        if offsets:
            scaled = (values[offsets] * self._scales.to(values.device)).clamp_(-_LARGEST, _LARGEST)
            kept = scaled.half().cpu().numpy()
            self._rows |= {first + offset: row for offset, row in zip(offsets, kept, strict=True)}

    def merge(self, other: HeldOut) -> None:
        """Add what another part of the same scan has seen."""
        self._rows |= other._rows

    def __len__(self) -> int:
        return len(self._rows)

    def arrays(self) -> dict[str, NDArray]:
        """Return `images` int32 (S,), ascending, and `values` float16 (S, units); NaN where a value is no number."""
        images = np.array(sorted(self._rows), np.int32)
        rows = [self._rows[int(image)] for image in images]
        values = np.stack(rows) if rows else np.empty((0, len(self._scales)), np.float16)
        return {"images": images, "values": values}

    def load(self, arrays: Mapping[str, NDArray]) -> None:
        """Take what `arrays` gave, int32 (S,) and float16 (S, units), in place of what is there."""
        images: Iterable[int] = arrays["images"].tolist()
        self._rows = dict(zip(images, arrays["values"], strict=True))
