"""Which of a unit's pictures a store shows, in which order: as the montage on disk is, whichever version wrote it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.optimize.files.montages import surest_first
from deepvis_toolbox.optimize.files.output import SHOWN
from deepvis_toolbox.optimize.files.picture_files import KIND, StoreFiles
from deepvis_toolbox.optimize.files.reached import record_beside
from deepvis_toolbox.optimize.files.record import Record
from deepvis_toolbox.unit_images.montage import legible, scaled_to, tiles_of_3x3
from deepvis_toolbox.unit_images.picture_file import read_picture
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.unit import Unit

_SIDE = 16
"""Pixels; pictures are compared so small that what JPEG changes hardly counts."""
_CHANGED_BY_JPEG = 4.0
"""Grey levels, in the mean over a small picture; colourful noise may be changed by more, up to two thirds of its
contrast. Noise from another seed is farther away than its contrast."""
_SEED = re.compile(rf"_s(\d+)_{SHOWN}$")


def as_shown(files: StoreFiles, unit: Unit) -> list[Path]:
    """Return the files of a unit's pictures in the order in which the store shows them: the first is its tile.

    Nothing where the store begins with another picture: an archive's, a shipped or a shared one, one at another place.
    A montage does not say of which pictures it is, and former versions kept the order of seeds: its tiles tell.
    """
    store = files.store
    if files.tag(unit) or store.owner(unit.layer) != unit.layer or store.holds_published(KIND, unit):
        return []
    found, shown = surest_first(files, unit, ())[0], store.files(KIND, unit)
    if found and store.montage_path(KIND, unit) in shown:
        return _in_order_of_tiles(_tiles(store, unit), found)
    return [path for path in shown if path in found] if shown and shown[0] in found else []


def record_shown_first(files: StoreFiles, unit: Unit) -> Record | None:
    """Return the record of the picture that the store shows first of a unit; None where it has none, as what came with
    a model."""
    shown = as_shown(files, unit)
    return record_beside(shown[0]) if shown else None


def seed_of(picture: Path) -> int:
    """Return the seed in the name of a file that montages show."""
    found = _SEED.search(picture.stem)
    return int(found[1]) if found else -1


def _tiles(store: UnitImageStore, unit: Unit) -> list[NDArray[np.float32]]:
    """Return a montage's pictures, small; none where it cannot be read."""
    try:
        montage = store.read(KIND, unit)
        return [] if montage is None else [_small(tile) for tile in tiles_of_3x3(montage)]
    except ToolboxError:
        return []


def _in_order_of_tiles(tiles: Sequence[NDArray[np.float32]], found: Sequence[Path]) -> list[Path]:
    """Return those of the pictures' files that are among the tiles, float32 (16, 16, 3) each, in the tiles' order;
    none where the first tile is of another picture."""
    places: dict[Path, tuple[int, float]] = {}
    for path in found if tiles else ():
        try:
            picture = _small(legible(read_picture(path)))
        except ToolboxError:  # a damaged one
            continue
        distances = [float(np.abs(tile - picture).mean()) for tile in tiles]
        nearest = int(np.argmin(distances))
        contrast = float(np.abs(picture - picture.mean((0, 1))).mean())
        if distances[nearest] < max(_CHANGED_BY_JPEG, contrast * 2 / 3):
            places[path] = nearest, distances[nearest]
    in_order = sorted(places, key=lambda path: places[path])
    return in_order if in_order and places[in_order[0]][0] == 0 else []


def _small(picture: RGBImage) -> NDArray[np.float32]:
    return scaled_to(picture, _SIDE, _SIDE).astype(np.float32)
