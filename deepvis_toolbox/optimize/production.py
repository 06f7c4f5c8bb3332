"""Makes and keeps the pictures of many units: skips what is finished, goes on where one fails, joins the montages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from deepvis_toolbox.atomic_files import ABANDONED_SECONDS, DiskFullError, remove_partial_files
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.folder_lock import FolderGoneError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.files.kept_numbers import keep_numbers
from deepvis_toolbox.optimize.files.montages import write_montages
from deepvis_toolbox.optimize.files.output import INFO, RECORD_SUFFIX, Beside, Output
from deepvis_toolbox.optimize.files.picture_files import StoreFiles
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.preferred import AscentTask, BatchWatch, climbed_batches, tasks_of
from deepvis_toolbox.optimize.method.result import AscentResult, is_start
from deepvis_toolbox.optimize.method.targets import Target, checked_target, filled_place
from deepvis_toolbox.progress import Progress
from deepvis_toolbox.unit_images.store import UnitImageStore


@dataclass
class Summary:
    """What came of a run."""

    made: int = 0
    skipped: int = 0
    """Were there already, the same."""
    problems: list[str] = field(default_factory=list)
    """A sentence for each picture that could not be made, or came out with a zero gradient or a value not finite."""
    written: list[Path] = field(default_factory=list)
    """The montages."""
    failed: set[Path] = field(default_factory=set)
    """Where the pictures would be shown of those ascents that found nothing better than their start."""


def store_of(net: Network, folder: str | None = None) -> UnitImageStore:
    """Return the store in `folder`, or else the one that the network's model.yaml names, or `unit_images/<network>`."""
    return UnitImageStore.for_network(net.description, folder)


def store_files(net: Network, store: UnitImageStore, suffix: str = ".png", group: str = "") -> StoreFiles:
    """Return the names of pictures in the store of a network; `group` keeps runs that are compared apart."""
    return StoreFiles(store, lambda layer: filled_place(None, layer, net), suffix, group)


def checked_tasks(
    net: Network, targets: Sequence[Target], seeds: Sequence[int], settings: AscentSettings
) -> list[AscentTask]:
    """Return a picture of each target, at the place that it means, and seed."""
    return tasks_of((checked_target(target, net) for target in targets), seeds, settings)


def check_names(pictures: Sequence[AscentTask], output: Output) -> set[Path]:
    """Return the folders of the pictures' files. `ToolboxError` where two pictures would have the same name."""
    named: dict[Path, AscentTask] = {}
    for picture in pictures:
        name = output.files.path(picture, INFO, RECORD_SUFFIX)
        if named.setdefault(name, picture) != picture:
            both = f"{named[name]} and {picture}"
            apart = "tell them apart with %(p.push_spatial)s or %(p.rand_seed)s in --template"
            raise ToolboxError(f'{both} would both be written to "{name}"; {apart}')
    return {path.parent for path in named}


def pictures_to_make(
    net: Network,
    targets: Sequence[Target],
    seeds: Sequence[int],
    settings: AscentSettings,
    output: Output,
    summary: Summary,
) -> list[AscentTask]:
    """Return the pictures that are not there yet. `summary` counts those that are, and says which must not be touched.

    `ToolboxError` where two pictures would have the same name, or the store holds another network's pictures.
    """
    output.check_store(net)
    wanted: list[AscentTask] = []
    pictures = checked_tasks(net, targets, seeds, settings)
    folders = check_names(pictures, output)
    for picture in pictures:
        if output.overwrite:
            wanted.append(picture)
        elif found := output.finished(net, picture, settings):
            summary.skipped += 1
            ended = found.get("steps"), found.get("best_step"), settings.start_at
            problem = problem_of(picture, str(found.get("outcome")), *ended)
            if problem and not output.failed_too:
                summary.problems.append(problem)
        elif blocked := output.in_the_way(net, picture, settings):
            summary.problems.append(blocked)
        else:
            wanted.append(picture)
    for folder in folders:
        remove_partial_files(folder, ABANDONED_SECONDS)
    return wanted


def make_pictures(
    net: Network,
    pictures: Sequence[AscentTask],
    settings: AscentSettings,
    output: Output,
    summary: Summary,
    progress: Progress,
    batch_size: int | Literal["auto"] = "auto",
    watch: BatchWatch | None = None,
) -> Summary:
    """Make the pictures, writing each batch as soon as it is done; return the summary, filled in.

    Raises `ToolboxError` where the disk is full.
    """
    climbed = climbed_batches(net, pictures, settings, batch_size, progress, watch)
    return keep_pictures(net, climbed, settings, output, summary)


def keep_pictures(
    net: Network,
    climbed: Iterable[tuple[Sequence[AscentTask], Sequence[AscentResult]]],
    settings: AscentSettings,
    output: Output,
    summary: Summary,
) -> Summary:
    """Write batches of pictures as they come; return the summary, filled in.

    What cannot be written, or has failed, is told there and the rest goes on; but on a full disk, or without the run's
    folder, nothing that follows could be kept.
    """
    for batch, results in climbed:
        for picture, result in zip(batch, results, strict=True):
            try:
                kept, problem = keep_picture(net, picture, settings, output, result)
            except (DiskFullError, FolderGoneError):
                raise
            except ToolboxError as error:
                kept, problem = False, str(error)
            summary.made += kept
            if result.found_nothing(settings.start_at) and not kept:
                summary.failed.add(output.shown_path(picture))
            if problem:
                summary.problems.append(problem)
    return summary


def keep_picture(
    net: Network, picture: AscentTask, settings: AscentSettings, output: Output, result: AscentResult
) -> tuple[bool, str]:
    """Write one ascent's picture, unless the ascent has failed; return whether it was written, and what went wrong.

    Raises `ToolboxError` where it cannot be written.
    """
    problem = problem_of(picture, result.outcome, len(result.objective), result.best_step, settings.start_at)
    if result.found_nothing(settings.start_at) and not output.failed_too:
        output.forget_failed(picture)
        return False, problem
    output.write(net, picture, settings, result)
    return True, problem


def make_unit_images(
    net: Network,
    units: Sequence[Target],
    seeds: Sequence[int],
    settings: AscentSettings,
    store: UnitImageStore,
    progress: Progress,
    batch_size: int | Literal["auto"] = "auto",
    overwrite: bool = False,
    beside: Beside | None = None,
) -> Summary:
    """Make preferred images of units, into the store, with their montages: what is there already is kept.

    `beside`: tells what photographs say of a picture, for its record.
    """
    output = Output(store_files(net, store), overwrite=overwrite, beside=beside)
    summary = Summary()
    pictures = pictures_to_make(net, units, seeds, settings, output, summary)
    make_pictures(net, pictures, settings, output, summary, progress, batch_size)
    targets = [checked_target(unit, net) for unit in units]
    summary.written += write_montages(net, output.files, targets, summary.problems, summary.failed)
    keep_numbers(output.files, targets, summary.problems)
    return summary


def problem_of(
    picture: AscentTask, outcome: str, step: object, best_step: object = None, start_at: object = None
) -> str:
    """Return what the ascent that ended so after `step` steps has not reached; empty where all went well."""
    found_nothing = is_start(outcome, step, best_step, start_at)
    name = f"{picture}: no direction found" if found_nothing else str(picture)
    if outcome == "zero gradient":
        return (
            f"{name}: the gradient is exactly zero at step {step}, nothing leads upwards from there; "
            "try other seeds or another start (--start-at)"
        )
    if outcome == "not finite":
        return f"{name}: at step {step} a value is not finite; try smaller steps (--lr-params)"
    if found_nothing:
        return f"{name}: in {step} steps nothing was better than the start; try other steps (--lr-params, --max-iter)"
    return ""
