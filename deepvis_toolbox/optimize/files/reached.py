"""What pictures in a store reach, as their records say, in a line for a sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from deepvis_toolbox.optimize.files.output import INFO, RECORD_SUFFIX, SHOWN
from deepvis_toolbox.optimize.files.picture_files import StoreFiles
from deepvis_toolbox.optimize.files.record import read_record
from deepvis_toolbox.optimize.method.targets import Target
from deepvis_toolbox.unit_images.numbers import natural_of
from deepvis_toolbox.words.unit import Unit


def reached_by(files: StoreFiles, target: Target, pictures: Sequence[Path]) -> Iterator[str]:
    """Yield the mean of the best objectives of a target's pictures, and that over the unit's largest activation on
    photographs where the store knows it; nothing without records."""
    records = (read_record(path.with_name(path.name.replace(f"_{SHOWN}.", f"_{INFO}.")).with_suffix(RECORD_SUFFIX))
               for path in pictures)  # fmt: skip
    reached = [record["best_objective"] for record in records if record and record["best_objective"] is not None]
    if not reached:
        return
    mean = sum(reached) / len(reached)
    natural = natural_of(files.store, target) if isinstance(target, Unit) else None
    yield f"reached {mean:.4g}" + (f", {mean / natural:.2f}× the best photograph" if natural and natural > 0 else "")
