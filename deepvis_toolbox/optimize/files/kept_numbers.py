"""Lets a store know what the records of its units' pictures say, so that the window and the atlas show it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.optimize.files.as_shown import record_shown_first
from deepvis_toolbox.optimize.files.picture_files import KIND, PictureFiles, StoreFiles
from deepvis_toolbox.optimize.files.record import Record, whole_naturalness
from deepvis_toolbox.optimize.method.targets import Target
from deepvis_toolbox.unit_images.numbers import UnitNumbers, complete_numbers, picture_hash
from deepvis_toolbox.words.unit import Unit

_TOLD = ("natural", "path_similarity", "transfer")


def keep_numbers(files: PictureFiles, targets: Sequence[Target], problems: list[str]) -> None:
    """Keep what the record of each unit's first picture says of how far to trust it, beside what is known already.

    Of a unit whose pictures are shown to nobody (at another place, beside an archive's, of a layer that shows those of
    another), or whose record says nothing beside photographs or by judges, nothing is kept. `problems` is told where it
    cannot be written.
    """
    if not isinstance(files, StoreFiles):
        return
    units: dict[Unit, UnitNumbers] = {}
    natural: dict[Unit, float] = {}
    for unit in dict.fromkeys(target for target in targets if isinstance(target, Unit)):
        record = record_shown_first(files, unit)
        if record and (whole_naturalness(record) or not record.keys().isdisjoint(_TOLD)):
            own = _numbers(record, files.store.files(KIND, unit)[0])
            if own is not None:
                owner = Unit(unit.layer, unit.channel)
                units[owner] = own
                natural |= {owner: own.natural} if own.natural is not None else {}
    try:
        complete_numbers(files.store, units, natural)
    except ToolboxError as error:
        problems.append(str(error))


def _numbers(record: Record, picture: Path) -> UnitNumbers | None:
    """Return what a record says; None where that cannot be, or the picture is no longer there."""
    natural_look = whole_naturalness(record)
    found: dict[str, Any] = {
        "reached": record.get("best_objective"),
        "natural": record.get("natural"),
        "path_similarity": record.get("path_similarity"),
        "transfer": record.get("transfer", {}),
        **(natural_look._asdict() if natural_look else {}),
    }
    try:
        return UnitNumbers.model_validate({**found, "picture_sha256": picture_hash(picture)}, strict=True)
    except (ValidationError, OverflowError, OSError):
        return None
