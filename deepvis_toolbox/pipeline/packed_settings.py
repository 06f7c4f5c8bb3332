"""How packed preferred images were made: their parameters, in one file beside them, as their records stay behind."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from deepvis_toolbox.atomic_files import write_json
from deepvis_toolbox.checked_json import read_checked
from deepvis_toolbox.errors import reason_of
from deepvis_toolbox.optimize.files.as_shown import as_shown, seed_of
from deepvis_toolbox.optimize.files.montages import found_pictures
from deepvis_toolbox.optimize.files.picture_files import KIND, StoreFiles
from deepvis_toolbox.optimize.files.reached import record_beside
from deepvis_toolbox.optimize.files.record import Record
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.unit import Unit

_log = logging.getLogger(__name__)
MADE_BY = "made_by.json"
"""The file, in the folder of a store's preferred images."""
LARGEST = 16 << 20
MOST_SINGLES = 4


class MadeAlike(BaseModel):
    """Pictures that were made in the same way."""

    model_config = ConfigDict(extra="ignore", strict=True)

    program: Any = None
    input: dict[str, Any]
    settings: dict[str, Any]
    """As in a picture's record, these three."""
    units: dict[str, list[int]]
    """By address: the seeds, in the order in which the pictures are shown."""

    def is_of(self, record: Record) -> bool:
        """Return whether a record's picture was made in this way."""
        return all(record.get(key) == value for key, value in self.model_dump(exclude={"units"}).items())


class _MadeBy(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    format: Literal[1] = 1
    made: list[MadeAlike] = []


_MADE_BY = TypeAdapter(_MadeBy)


def keep_settings(source: UnitImageStore, target: UnitImageStore, units: Sequence[Unit]) -> None:
    """Write by which parameters, and from which seeds, the units' pictures in `target` were made, as their records in
    `source` say. What is there of other units stays; of a unit without records nothing is said.
    """
    path, replaced = target.folder / KIND / MADE_BY, {str(unit) for unit in units}
    former = _read(path)
    groups = [group.model_copy(update={"units": _without(group.units, replaced)}) for group in former.made]
    for unit in units:
        for seed, record in _records(source, unit):
            _group_of(record, groups).units.setdefault(str(unit), []).append(seed)
    found = _MadeBy(made=[group for group in groups if group.units])
    if found != former:
        write_json(path, found.model_dump())


def _without(units: dict[str, list[int]], replaced: set[str]) -> dict[str, list[int]]:
    return {unit: seeds for unit, seeds in units.items() if unit not in replaced}


def _group_of(record: Record, groups: list[MadeAlike]) -> MadeAlike:
    """Return the pictures that were made as this record's; new ones are added to `groups`."""
    group = next((each for each in groups if each.is_of(record)), None)
    if group is None:
        groups.append(group := MadeAlike.model_validate({**record, "units": {}}))
    return group


def packed_singles(source: UnitImageStore, unit: Unit) -> list[Path]:
    """Return a unit's preferred images that are packed one by one, in the order in which a small store shows them, that
    of their names; none where its montage is."""
    singles = source.singles(KIND, unit)
    return singles if len(singles) <= MOST_SINGLES else []


def shown_in(source: UnitImageStore, unit: Unit) -> list[Path]:
    """Return the files of a unit's pictures in the order in which a store shows them."""
    return as_shown(_files(source), unit)


def _files(source: UnitImageStore) -> StoreFiles:
    """Return the names of pictures of units without a place: those at their default places."""
    return StoreFiles(source, lambda _: None)


def _records(source: UnitImageStore, unit: Unit) -> Iterator[tuple[int, Record]]:
    """Yield the seeds and records of a unit's packed pictures at its default place, in the order of a small store."""
    found, _ = found_pictures(_files(source), unit, ())
    singles = packed_singles(source, unit)
    for picture in [path for path in singles if path in found] if singles else shown_in(source, unit):
        if (record := record_beside(picture, _log.warning)) is not None:
            yield seed_of(picture), record


def _read(path: Path) -> _MadeBy:
    """Return what a file says; nothing where there is none, or it is damaged, which the log then tells."""
    try:
        return read_checked(path, LARGEST, _MADE_BY)
    except FileNotFoundError:
        return _MadeBy()
    except (OSError, ValueError) as error:
        _log.warning('"%s" is damaged (%s); it is written anew', path, reason_of(error))
        return _MadeBy()
