"""What photographs say of units: the best of them for each, and how alike the layers' activations are to theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError, user_path
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.optimize.files.as_shown import record_shown_first
from deepvis_toolbox.optimize.files.record import BesidePhotographs, Record
from deepvis_toolbox.optimize.files.shown_image import seen_part
from deepvis_toolbox.optimize.files.transfer import AT_ONCE, first_pictures, whole_picture_input
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.seen_places import SeenPlaces, seen_places
from deepvis_toolbox.optimize.method.targets import Target, checked_target
from deepvis_toolbox.optimize.method.windows import alone
from deepvis_toolbox.optimize.natural.path_similarity import (
    PathSimilarity,
    RandomPictures,
    means_over_places,
    path_similarity,
)
from deepvis_toolbox.optimize.production import store_files
from deepvis_toolbox.progress import Progress
from deepvis_toolbox.scan.patches.patches import entries_of
from deepvis_toolbox.scan.pictures.picture_reader import PictureReader
from deepvis_toolbox.scan.scanned_network import check_scanned_network
from deepvis_toolbox.scan.top_images import TopImages
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.layer import Rect
from deepvis_toolbox.words.unit import Unit

TOP = 9
"""Photographs that a unit's picture is compared with."""
RANDOM = 48
"""Photographs that are taken as random ones, evenly from the list."""
FEWEST_RANDOM = 2
FEWEST_TOP = 2

Placed = Callable[[torch.Tensor, Rect], torch.Tensor]


def _as_it_is(x: torch.Tensor, seen: Rect) -> torch.Tensor:  # noqa: ARG001
    return x


@dataclass(frozen=True)
class Photographs:
    """The top photographs of a network's units: a scan's, or those of a folder."""

    net: Network
    top: TopImages
    _strangers: dict[tuple[tuple[str, ...], Rect | None], dict[str, RandomPictures]] = field(default_factory=dict)

    def holds(self, layer: str) -> bool:
        """Return whether anything is known of a layer's units."""
        return layer in self.top.index.by_name

    def largest(self, unit: Unit) -> float | None:
        """Return the unit's largest activation on a photograph, wherever it was; None where nothing is known of it. No
        mean over a channel can be put beside it: None, too."""
        if not self.holds(unit.layer) or unit.place == "mean":
            return None
        value = float(self.top.largest(unit.layer)[unit.channel])
        return value if np.isfinite(value) else None

    def beside(self, target: Target, picture: RGBImage, settings: AscentSettings) -> BesidePhotographs:
        """Return what a target's picture, RGB uint8 (H, W, 3), made with these settings, is beside photographs."""
        if not isinstance(target, Unit) or not self.holds(target.layer):
            return BesidePhotographs()
        path = self.path(target, picture, bool(settings.views))
        return BesidePhotographs(self.largest(target), path.whole if path else None)

    def paths(
        self, store: UnitImageStore, units: Sequence[Unit], progress: Progress
    ) -> Iterator[tuple[Unit, PathSimilarity | None]]:
        """Yield how alike the layers' activations are for each unit's first picture and its top photographs; None as
        `path` says."""
        for unit, picture in zip(units, first_pictures(store, units), strict=True):
            yield unit, self.path(unit, picture, _shows_everything(self.net, store, unit))
            progress.advance(1)

    def path(self, unit: Unit, picture: RGBImage, shows_everything: bool = False) -> PathSimilarity | None:
        """Return how alike the layers below are for a unit's picture, RGB uint8 (H, W, 3), and its top photographs.

        Of a unit that sees a part of the image alone, this part of all pictures is shown to the network, at the unit's
        place, all around the mean colour; `shows_everything`: its own picture shows more than that part, all of the
        image. None where fewer than two of the top photographs can be read, or nothing lies below the unit.
        """
        target = checked_target(unit, self.net)
        seen = seen_places(self.net, target.layer, target.place)
        layers = self.net.layers_below(target.layer)
        top = self.top_inputs(unit, TOP, _as_it_is if seen is None else partial(_cut_out, seen.field))
        if len(top) < FEWEST_TOP or not layers:
            return None
        if seen is None:
            return path_similarity(whole_picture_input(picture, self.net), top, self._random(layers, None), self.net)
        preferred = self._part_input(picture, seen, None if shows_everything else seen_part(self.net, target))
        return path_similarity(preferred, top, self._random(layers, seen), self.net, seen.windows)

    def top_inputs(self, unit: Unit, count: int, placed: Placed = _as_it_is) -> torch.Tensor:
        """Return those of a unit's `count` best photographs that can be read as network inputs, float32 (N, C, H, W).

        `placed`: what becomes of each, (1, C, H, W), by what the unit sees of it at the place of its activation.
        """
        found = []
        for entry in entries_of(self.top, unit, count):
            x = self._read([entry.picture])
            if len(x):
                place = entry.unit.place if isinstance(entry.unit.place, tuple) else None
                found.append(placed(x, self.net.receptive_field(unit.layer, place)))
        return torch.cat(found) if found else torch.zeros(0, *self.net.input_shape)

    def top_pixels(self, unit: Unit, count: int, canvas: Preprocessing) -> NDArray[np.float32]:
        """Return the same photographs as images of another size, float32 (N, C, H, W), zero-centred pixels."""
        reader = PictureReader(canvas)
        x = np.empty((1, *canvas.input_shape), np.float32)
        found = [
            canvas.to_pixels(x[0].copy())
            for entry in entries_of(self.top, unit, count)
            if reader.read_into(x[0], self.top.paths[entry.picture]) is None
        ]
        return np.array(found, np.float32)

    def _part_input(self, picture: RGBImage, seen: SeenPlaces, shown: Rect | None) -> torch.Tensor:
        """Return a picture of the part `shown` of the image (None: of all) with nothing but what the unit sees."""
        frame = picture
        if shown is not None:
            height, width = shown.bottom - shown.top, shown.right - shown.left
            frame = np.zeros((*self.net.input_shape[1:], 3), np.uint8)
            frame[shown.top : shown.bottom, shown.left : shown.right] = cv2.resize(
                picture, (width, height), interpolation=cv2.INTER_AREA
            )
        return alone(whole_picture_input(frame, self.net), seen.field, seen.field)

    def _random(self, layers: tuple[str, ...], seen: SeenPlaces | None) -> dict[str, RandomPictures]:
        """Return what random photographs give in the layers; of a unit that sees a part, what is cut out of them."""
        key = layers, seen.field if seen else None
        if key not in self._strangers:
            self._strangers[key] = self._given_by_random(layers, seen)
        return self._strangers[key]

    def _given_by_random(self, layers: Sequence[str], seen: SeenPlaces | None) -> dict[str, RandomPictures]:
        count = len(self.top.pictures)
        chosen = [int(place) for place in np.linspace(0, count - 1, min(RANDOM, count))]
        inputs = (self._read(chosen[first : first + AT_ONCE]) for first in range(0, len(chosen), AT_ONCE))
        cut_out = (x if seen is None else alone(x, seen.field, seen.field) for x in inputs if len(x))
        parts = [means_over_places(self.net, x, layers, seen.windows if seen else None) for x in cut_out]
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


def photographs_of_scan(net: Network, maxes: str, images: str | None) -> Photographs:
    """Return what a scan, in the folder `maxes`, says of a network's units; its pictures are in `images` now, if given.

    Raises `ToolboxError` where it cannot be read, or is of another network.
    """
    top = TopImages.load(user_path(maxes))
    check_scanned_network(top, net)
    if images:
        top.pictures = top.pictures.moved_to(images)
    top.check_pictures_may_be_read()
    return Photographs(net, top)


def _cut_out(here: Rect, x: torch.Tensor, there: Rect) -> torch.Tensor:
    return alone(x, there, here)


def first_record(net: Network, store: UnitImageStore, unit: Unit) -> Record | None:
    """Return the record of a unit's first picture; None where it has none, as what came with a model."""
    target = checked_target(unit, net)
    assert isinstance(target, Unit)
    return record_shown_first(store_files(net, store), target)


def _shows_everything(net: Network, store: UnitImageStore, unit: Unit) -> bool:
    """Return whether a unit's picture was made of views, and so shows all of the image."""
    record = first_record(net, store, unit)
    return bool(record and record["settings"].get("views"))
