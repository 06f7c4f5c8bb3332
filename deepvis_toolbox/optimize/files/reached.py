"""What pictures in a store reach, as their records say, in a line for a sheet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import inf
from pathlib import Path

from deepvis_toolbox.optimize.files.output import INFO, RECORD_SUFFIX, SHOWN
from deepvis_toolbox.optimize.files.picture_files import StoreFiles
from deepvis_toolbox.optimize.files.record import Record, read_record, whole_naturalness
from deepvis_toolbox.optimize.method.targets import Target
from deepvis_toolbox.unit_images.naturalness import PHOTOGRAPHS
from deepvis_toolbox.unit_images.numbers import natural_of
from deepvis_toolbox.words.unit import Unit


def reached_by(files: StoreFiles, target: Target, pictures: Sequence[Path]) -> Iterator[str]:
    """Yield, as the records of a target's pictures say: the mean of the best objectives, and that over the unit's
    largest activation on photographs (the store's, or the records'); the mean path similarity; of how many of the
    pictures that show the whole image colour and contrast are as photographs'. Nothing without records."""
    records = [record_beside(path) for path in pictures]
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
    looks = [look for record in records if record and (look := whole_naturalness(record)) is not None]
    if looks:
        colour, contrast = (round(share * len(looks)) for share in PHOTOGRAPHS.shares_inside(looks))
        yield f"natural: colour {colour}/{len(looks)}, contrast {contrast}/{len(looks)}"


def rank_of(record: Record | None) -> tuple[bool, float]:
    """Return what orders a unit's pictures, the surest first: by the best objective; behind them, by its negative, what
    the unit dislikes; what has no record comes last.

    Of a class's nine pictures the one that reaches most is the one that other networks recognise most often.
    """
    if record is None or record["best_objective"] is None:
        return True, inf
    is_disliked = record["settings"].get("push_dir") == -1
    return is_disliked, record["best_objective"] * (1 if is_disliked else -1)


def record_beside(picture: Path, say: Callable[[str], None] = lambda _: None) -> Record | None:
    """Return the record of a picture by the file that montages show of it; None where it has none. `say` is told what
    is damaged."""
    path = picture.with_name(picture.name.replace(f"_{SHOWN}.", f"_{INFO}.")).with_suffix(RECORD_SUFFIX)
    return read_record(path, say)


def _mean_of(name: str, records: Sequence[Record | None]) -> float | None:
    """Return the mean of a number over the records that have it."""
    found = [float(record[name]) for record in records if record and isinstance(record.get(name), int | float)]
    return sum(found) / len(found) if found else None
