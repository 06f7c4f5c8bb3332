"""The pictures of the atlas: a sheet of small tiles a layer, and the montages of single units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path

import numpy as np

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.unit_images.montage import in_grid, scaled_to, shrunk_to
from deepvis_toolbox.unit_images.picture_file import write_picture
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind

TILE = 96
"""Pixels of a tile on a layer's sheet."""
NAMES: dict[UnitImageKind, str] = {"regularized_opt": "preferred", "max_im": "top", "max_deconv": "deconv"}


@dataclass(frozen=True)
class Sheet:
    """Where each unit's tile lies on a layer's one picture."""

    columns: int
    places: dict[int, tuple[int, int]]
    """{unit: (column, row)}."""


def sheet_of(units: Iterable[int]) -> Sheet:
    """Return where the units' tiles lie, row by row."""
    known = sorted(units)
    columns = max(1, ceil(sqrt(len(known))))
    return Sheet(columns, {unit: (place % columns, place // columns) for place, unit in enumerate(known)})


def write_sheet(path: Path, store: UnitImageStore, kind: UnitImageKind, layer: str, units: Sequence[int]) -> None:
    """Write the first picture of each unit, `TILE` pixels a side, onto one JPEG picture, as `sheet_of` says."""
    columns = sheet_of(units).columns
    tiles = [_tile(store.read_best(kind, Unit(layer, unit))) for unit in sorted(units)]
    write_picture(path, in_grid(tiles, ceil(len(tiles) / columns), columns))


def write_montage(path: Path, store: UnitImageStore, kind: UnitImageKind, unit: Unit, longest: int) -> None:
    """Write a unit's montage as JPEG, at most `longest` pixels a side. `ToolboxError` where its file went away."""
    montage = store.read(kind, unit)
    if montage is None:
        raise ToolboxError(f'the pictures of {unit} in "{store.folder}" are gone; run it again')
    write_picture(path, shrunk_to(montage, longest))


def _tile(picture: RGBImage | None) -> RGBImage:
    return np.zeros((TILE, TILE, 3), np.uint8) if picture is None else scaled_to(picture, TILE, TILE)
