"""What pictures in a store reach, as their records say, in a line for a sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from deepvis_toolbox.optimize.files.output import INFO, RECORD_SUFFIX, SHOWN
from deepvis_toolbox.optimize.files.picture_files import StoreFiles
from deepvis_toolbox.optimize.files.record import Record, read_record
from deepvis_toolbox.optimize.method.targets import Target
from deepvis_toolbox.unit_images.numbers import natural_of
from deepvis_toolbox.words.unit import Unit


def reached_by(files: StoreFiles, target: Target, pictures: Sequence[Path]) -> Iterator[str]:
    """Yield the mean of the best objectives of a target's pictures, and that over the unit's largest activation on
    photographs where the store knows it, or their records; the mean of their path similarities where records tell it;
    nothing without records."""
    records = [read_record(path.with_name(path.name.replace(f"_{SHOWN}.", f"_{INFO}.")).with_suffix(RECORD_SUFFIX))
               for path in pictures]  # fmt: skip
    reached = [record["best_objective"] for record in records if record and record["best_objective"] is not None]
    if not reached:
        return
    mean = sum(reached) / len(reached)
    natural = natural_of(files.store, target) if isinstance(target, Unit) else None
    share = mean / natural if natural and natural > 0 else _mean_of("over_natural", records)
    yield f"reached {mean:.4g}" + (f", {share:.2f}× the best photograph" if share is not None else "")
    path = _mean_of("path_similarity", records)
    if path is not None:
        yield f"path similarity {path:.2f}"


def _mean_of(name: str, records: Sequence[Record | None]) -> float | None:
    """Return the mean of a number over the records that have it."""
    found = [float(record[name]) for record in records if record and isinstance(record.get(name), int | float)]
    return sum(found) / len(found) if found else None
