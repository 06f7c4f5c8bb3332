"""Makes the pictures of runs: in one look at what is there, or, held to units' own photographs, unit after unit."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from deepvis_toolbox.command_line.opened_network import opened_network
from deepvis_toolbox.command_line.talking import progress_of
from deepvis_toolbox.drawing.film import FilmStoppedError
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.cli.ray_climb import climbed_on_ray
from deepvis_toolbox.optimize.files.ascent_film import filming
from deepvis_toolbox.optimize.files.output import Output
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.preferred import AscentTask, BatchWatch
from deepvis_toolbox.optimize.method.targets import Target
from deepvis_toolbox.optimize.production import (
    Summary,
    check_names,
    checked_tasks,
    keep_pictures,
    make_pictures,
    pictures_to_make,
)
from deepvis_toolbox.progress import Progress, Say

if TYPE_CHECKING:
    from deepvis_toolbox.optimize.natural.own_priors import OwnPriors


class Run(NamedTuple):
    """One way of making pictures."""

    name: str
    """The preset's, where several are compared; else empty."""
    settings: AscentSettings
    targets: Sequence[Target]
    own: OwnPriors | None = None
    """Changes the settings for each unit."""


class _Part(NamedTuple):
    """Pictures that climb with the same settings."""

    pictures: Sequence[AscentTask]
    settings: AscentSettings
    output: Output


def made(given: argparse.Namespace, net: Network, runs: Sequence[tuple[Run, Output]], say: Say) -> Summary:
    """Make the pictures that are not there yet; return what came of it."""
    if given.ray and given.video:
        raise ToolboxError("--video films an ascent in this process; it does not go with --ray")
    summary = Summary()
    own = [(run, output) for run, output in runs if run.own is not None]
    for run, output in own:
        output.check_store(net)
        check_names(checked_tasks(net, run.targets, given.seeds, run.settings), output)
    known = [
        _Part(pictures_to_make(net, run.targets, given.seeds, run.settings, output, summary), run.settings, output)
        for run, output in runs
        if run.own is None
    ]
    total = sum(len(part.pictures) for part in known) + sum(len(run.targets) * len(given.seeds) for run, _ in own)
    film: AbstractContextManager[BatchWatch | None] = filming(net, Path(given.video)) if given.video else nullcontext()
    climbed = 0
    try:
        with film as watch, progress_of(given, total, "preferred images", "picture") as progress:
            for part in chain(known, _own_parts(given, net, own, summary, progress)):
                climbed += len(part.pictures)
                if part.pictures:
                    _climb(given, net, part, summary, progress, watch)
    except FilmStoppedError as error:
        summary.problems.append(str(error))
    if given.video and not climbed:
        say(f'no film "{given.video}" is made: every picture is there already (--brave makes them again)')
    return summary


def _own_parts(
    given: argparse.Namespace,
    net: Network,
    runs: Sequence[tuple[Run, Output]],
    summary: Summary,
    progress: Progress,
) -> Iterator[_Part]:
    """Yield each unit's pictures with its own settings, made only when it is its turn: they take long, and may be
    large. What is there already counts as done."""
    for run, output in runs:
        for target in run.targets:
            progress.note(f"{target}: its top photographs")
            pictures: list[AscentTask] = []
            try:
                assert run.own is not None
                settings = run.own.settings_for(run.settings, target)
                pictures = pictures_to_make(net, [target], given.seeds, settings, output, summary)
            except ToolboxError as error:
                summary.problems.append(str(error))
            progress.advance(len(given.seeds) - len(pictures))
            if pictures:
                yield _Part(pictures, settings, output)


def _climb(
    given: argparse.Namespace,
    net: Network,
    part: _Part,
    summary: Summary,
    progress: Progress,
    watch: BatchWatch | None,
) -> None:
    pictures, settings, output = part
    if given.ray:
        opening = partial(opened_network, given)
        climbed = climbed_on_ray(given.ray, opening, pictures, settings, given.batch_size, progress)
        keep_pictures(net, climbed, settings, output, summary)
    else:
        make_pictures(net, pictures, settings, output, summary, progress, given.batch_size, watch)
