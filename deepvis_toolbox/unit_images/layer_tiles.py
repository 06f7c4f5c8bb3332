"""One small picture of every unit of a layer, for pattern mode; read piece by piece."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.unit_images.montage import BACKGROUND, scaled_to
from deepvis_toolbox.unit_images.picture_file import problem_with
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind

T = TypeVar("T")

SECONDS_BETWEEN_VIEWS = 0.2
"""How often a layer that is being read is shown with what has come meanwhile."""


@dataclass(frozen=True)
class LayerTiles:
    """What is read so far. `pixels`: RGB uint8 (units, size, size, 3); `there`: bool (units,), which units have one."""

    pixels: NDArray[np.uint8]
    there: NDArray[np.bool_]
    done: bool
    problem: str = ""
    """The first thing that could not be read, as a sentence."""

    @property
    def missing(self) -> int:
        """How many units have no picture, as far as is known."""
        return int((~self.there).sum())


class TilesJob:
    """Reads a layer's tiles, one unit each time `advance` is called: from `whole_layer.jpg`, else from the montages.

    `former`: tiles read before; only those missing there are looked for.
    """

    def __init__(
        self,
        store: UnitImageStore,
        kind: UnitImageKind,
        layer: str,
        units: int,
        size: int,
        former: LayerTiles | None = None,
    ) -> None:
        self._store, self._kind, self._layer = store, kind, layer
        empty: NDArray[np.uint8] = np.full((units, size, size, 3), BACKGROUND, np.uint8)
        self._pixels = empty if former is None else former.pixels.copy()
        self._there = np.zeros(units, bool) if former is None else former.there.copy()
        self._left: list[int] | None = None
        self._problem = ""
        self._shown_at = time.monotonic()
        self.done = False

    def advance(self) -> LayerTiles | None:
        """Read a little more; the tiles so far where it is time to show them, else None."""
        if self._left is None:
            self._left = self._begin()
        elif self._left:
            self._put(channel := self._left.pop(), self._read(channel))
        self.done = not self._left
        if not self.done and time.monotonic() - self._shown_at < SECONDS_BETWEEN_VIEWS:
            return None
        self._shown_at = time.monotonic()
        return LayerTiles(self._pixels.copy(), self._there.copy(), self.done, self._problem)

    def _begin(self) -> list[int]:
        """Return the channels still to be read one by one, last first."""
        units = len(self._pixels)
        if not self._there.any():  # where whole_layer.jpg is damaged or foreign, the units' own pictures serve
            tiles = self._tried(lambda: self._store.read_whole_layer(self._kind, self._layer, units))
            for channel, tile in enumerate([] if tiles is None else tiles):
                self._put(channel, tile)
        on_disk = self._tried(lambda: self._store.units(self._kind, self._layer)) or []
        channels = [unit.channel for unit in reversed(on_disk)]
        return [channel for channel in channels if channel < units and not self._there[channel]]

    def _read(self, channel: int) -> RGBImage | None:
        """Return the unit's picture; None, for an empty tile, where it cannot be read; the unit's own pane says why."""
        return self._tried(lambda: self._store.read_best(self._kind, Unit(self._layer, channel)))

    def _tried(self, read: Callable[[], T | None]) -> T | None:
        """Return what `read` gives; None where it fails, whatever a disk or a file has in store."""
        try:
            return read()
        except Exception as error:
            self._problem = self._problem or problem_with(error)
            return None

    def _put(self, channel: int, tile: RGBImage | None) -> None:
        if tile is not None:
            size = self._pixels.shape[1]
            self._pixels[channel] = scaled_to(tile, size, size)
            self._there[channel] = True
