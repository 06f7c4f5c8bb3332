"""What photographs say of units: the best of them for each, and how alike the layers' activations are to theirs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.judging.path_similarity import PathSimilarity, RandomPictures, means_over_places, path_similarity
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.files.transfer import AT_ONCE, first_pictures, whole_picture_input
from deepvis_toolbox.progress import Progress
from deepvis_toolbox.scan.patches.patches import entries_of
from deepvis_toolbox.scan.pictures.picture_reader import PictureReader
from deepvis_toolbox.scan.top_images import TopImages
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.unit import Unit

TOP = 9
"""Photographs that a unit's picture is compared with."""
RANDOM = 48
"""Photographs that are taken as random ones, evenly from the list."""
FEWEST_RANDOM = 2


@dataclass(frozen=True)
class Photographs:
    """The top photographs of a network's units: a scan's, or those of a folder."""

    net: Network
    top: TopImages

    def largest(self, unit: Unit) -> float | None:
        """Return the unit's largest activation on a photograph; None where nothing is known of it."""
        if unit.layer not in self.top.index.by_name:
            return None
        value = float(self.top.largest(unit.layer)[unit.channel])
        return value if np.isfinite(value) else None

    def paths(
        self, store: UnitImageStore, units: Sequence[Unit], progress: Progress
    ) -> Iterator[tuple[Unit, PathSimilarity]]:
        """Yield how alike the layers' activations are for each unit's first picture and its top photographs.

        A unit of which fewer than two of these can be read is left out. All of the picture is shown to the network,
        so the units are such as see all of it.
        """
        random = self._random(self.net.layers_below(units[0].layer))
        for unit, picture in zip(units, first_pictures(store, units), strict=True):
            top = self._read([entry.picture for entry in entries_of(self.top, unit, TOP)])
            if len(top) > 1:
                preferred = whole_picture_input(picture, self.net)
                yield unit, path_similarity(preferred, top, random, self.net)
            progress.advance(1)

    def _random(self, layers: Sequence[str]) -> dict[str, RandomPictures]:
        count = len(self.top.pictures)
        chosen = [int(place) for place in np.linspace(0, count - 1, min(RANDOM, count))]
        inputs = (self._read(chosen[first : first + AT_ONCE]) for first in range(0, len(chosen), AT_ONCE))
        parts = [means_over_places(self.net, x, layers) for x in inputs if len(x)]
        if sum(len(part[layers[0]]) for part in parts) < FEWEST_RANDOM:
            first = self.top.paths[0]
            raise ToolboxError(
                f"fewer than {FEWEST_RANDOM} of {len(chosen)} photographs can be read; the first: {first}"
            )
        return {layer: RandomPictures.of(torch.cat([part[layer] for part in parts])) for layer in layers}

    def _read(self, indices: Sequence[int]) -> torch.Tensor:
        """Return those of the photographs that can be read as network inputs, (N, C, H, W)."""
        x = np.empty((len(indices), *self.net.input_shape), np.float32)
        reasons = [self._reader.read_into(slot, self.top.paths[index]) for slot, index in zip(x, indices, strict=True)]
        is_read = np.array([reason is None for reason in reasons], bool)
        return torch.from_numpy(x[is_read]).to(self.net.device)

    @cached_property
    def _reader(self) -> PictureReader:
        self.top.check_pictures_may_be_read()
        return PictureReader(self.net.preprocessing)
