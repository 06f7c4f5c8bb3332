"""Preferred images of units: the library's one call, which forms batches and gives the results back in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.method.ascent import Ascent
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.batch_size import automatic_batch_size, bytes_per_picture, free_bytes
from deepvis_toolbox.optimize.method.canvas import canvas_of
from deepvis_toolbox.optimize.method.given import given_seeds, given_settings, given_targets
from deepvis_toolbox.optimize.method.result import AscentResult
from deepvis_toolbox.optimize.method.starts import start_image
from deepvis_toolbox.optimize.method.targets import Target, batch_key, objective_of
from deepvis_toolbox.progress import Progress, Silence


@dataclass(frozen=True)
class AscentTask:
    """One picture to make: what is climbed, from which seed."""

    target: Target
    seed: int
    beside: tuple[int, ...] = ()
    """The seeds, its own among them, of the pictures that it climbs together with for `diversity`; empty without."""

    def __str__(self) -> str:
        return f"{self.target}, seed {self.seed}"


def tasks_of(targets: Iterable[Target], seeds: Sequence[int], settings: AscentSettings) -> list[AscentTask]:
    """Return a picture of each target and seed, all seeds of the first target first."""
    beside = tuple(dict.fromkeys(seeds)) if settings.diversity else ()
    return [AscentTask(target, seed, beside) for target in targets for seed in seeds]


BatchWatch = Callable[[Sequence[AscentTask], int, torch.Tensor, torch.Tensor, torch.Tensor], None]
"""Called at every step with the batch's pictures, the step, and the arguments of `ascent.Watch`."""

StartOf = Callable[[int], NDArray[np.float32]]
"""seed -> start image."""
_STARTS_KEPT = 64


def preferred_images(
    net: Network,
    units: Target | str | Iterable[Target | str],
    seeds: Iterable[int] = (0,),
    settings: AscentSettings | Mapping[str, Any] | None = None,
    batch_size: int | Literal["auto"] = "auto",
    progress: Progress | None = None,
    watch: BatchWatch | None = None,
) -> list[AscentResult]:
    """Run regularized gradient ascent for every unit from every seed (Yosinski et al. 2015, section 3).

    `units`: `Unit`, `Direction`, `LikePicture` or addresses such as "fc:0-9", one or several; a spatial unit without a
    place means the centre. `settings`: also the fields of `AscentSettings` by their names. `progress` advances by 1 for
    each picture. -> one result for each (unit, seed), all seeds of the first unit first.

    Raises `ToolboxError`, before anything is computed, for a unit that the network does not have, a start image that
    does not fit, and settings that make no sense.
    """
    settings = given_settings(settings)
    targets, chosen = given_targets(units, net), given_seeds(seeds)
    pictures = tasks_of(targets, chosen, settings)
    done = {
        picture: result
        for batch, results in climbed_batches(net, pictures, settings, batch_size, progress or Silence(), watch)
        for picture, result in zip(batch, results, strict=True)
    }
    return [done[picture] for picture in pictures]


def climbed_batches(
    net: Network,
    pictures: Sequence[AscentTask],
    settings: AscentSettings,
    batch_size: int | Literal["auto"],
    progress: Progress,
    watch: BatchWatch | None = None,
) -> Iterator[tuple[list[AscentTask], list[AscentResult]]]:
    """Yield the pictures (with checked targets) batch by batch, each batch with its results as soon as it is done.

    A batch that does not fit the accelerator's memory is halved and tried again.
    """
    if batch_size != "auto" and (not isinstance(batch_size, int) or batch_size < 1):
        raise ToolboxError(f'the batch size is {batch_size!r}; it must be "auto" or a whole number of at least 1')

    @lru_cache(maxsize=_STARTS_KEPT)  # the same seeds for every unit, as a rule
    def start_of(seed: int) -> NDArray[np.float32]:
        return start_image(settings.start_at, seed, canvas_of(settings, net.preprocessing))

    for group in _batchable(pictures):
        if group[0].beside:
            yield group, _climbed_together(net, group, settings, start_of, progress, watch)
            continue
        size = automatic_batch_size(net, group[0].target, settings) if batch_size == "auto" else batch_size
        waiting = group
        while waiting:
            batch, waiting = waiting[:size], waiting[size:]
            try:
                results = climb(net, batch, settings, start_of, progress, watch)
            except torch.OutOfMemoryError as error:
                if len(batch) == 1:
                    raise ToolboxError(f"{batch[0].target} does not fit the memory of {net.device}") from error
                size, waiting = len(batch) // 2, [*batch, *waiting]
                continue
            yield batch, results


def _climbed_together(
    net: Network,
    wanted: Sequence[AscentTask],
    settings: AscentSettings,
    start_of: StartOf,
    progress: Progress,
    watch: BatchWatch | None,
) -> list[AscentResult]:
    """Return the pictures that are wanted of those of one target that climb together: all of them do, whichever are."""
    whole = [replace(wanted[0], seed=seed) for seed in wanted[0].beside]
    needed, free = bytes_per_picture(net, wanted[0].target, settings) * len(whole), free_bytes(net.device)
    together = f"with diversity, {len(whole)} pictures of {wanted[0].target} climb together, which"
    if needed > free:
        raise ToolboxError(
            f"{together} needs about {needed / 2**20:.0f} MiB, and {free / 2**20:.0f} MiB are free; give fewer seeds"
        )
    try:
        results = climb(net, whole, settings, start_of, progress, watch)
    except torch.OutOfMemoryError as error:
        raise ToolboxError(f"{together} does not fit the memory of {net.device}; give fewer seeds") from error
    progress.advance(len(wanted) - len(whole))
    found = dict(zip(whole, results, strict=True))
    return [found[picture] for picture in wanted]


def climb(
    net: Network,
    batch: Sequence[AscentTask],
    settings: AscentSettings,
    start_of: StartOf,
    progress: Progress,
    watch: BatchWatch | None = None,
) -> list[AscentResult]:
    """Climb one batch, all of whose targets have the same batch key; return its results.

    It advances `progress` by 1 for each picture in the end.
    """
    targets, seeds = [picture.target for picture in batch], [picture.seed for picture in batch]
    start = np.stack([start_of(seed) for seed in seeds])
    ascent = Ascent(net, objective_of(targets, net, settings), settings, seeds)
    advanced = 0.0

    def tell(step: int, rows: torch.Tensor, x: torch.Tensor, objectives: torch.Tensor) -> None:
        nonlocal advanced
        progress.note(f"{batch[0].target}, step {step + 1}/{settings.max_iter}: {float(objectives[0]):.4g}")
        progress.advance(len(batch) / settings.max_iter)
        advanced += len(batch) / settings.max_iter
        if watch:
            watch(batch, step, rows, x, objectives)

    try:
        journal = ascent.run(torch.from_numpy(start).to(net.device), tell)
    except torch.OutOfMemoryError:
        progress.advance(-advanced)  # it is done again, in smaller batches
        raise
    progress.advance(len(batch) - advanced)
    return journal.results(targets, seeds)


def _batchable(pictures: Sequence[AscentTask]) -> Iterator[list[AscentTask]]:
    """Yield the pictures without repetition, grouped by what can climb together, in the order of first appearance."""
    groups: dict[object, list[AscentTask]] = {}
    for picture in dict.fromkeys(pictures):
        key = (picture.target, picture.beside) if picture.beside else batch_key(picture.target)
        groups.setdefault(key, []).append(picture)
    yield from groups.values()
