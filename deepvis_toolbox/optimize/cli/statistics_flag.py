"""`--statistics FOLDER`: photographs whose statistics pictures are held to."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from deepvis_toolbox.command_line.talking import progress_of
from deepvis_toolbox.errors import ToolboxError, user_path
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.photographs import PhotographStatistics, photograph_statistics
from deepvis_toolbox.progress import Progress, Say
from deepvis_toolbox.sources.listing import evenly, folder_pictures, read_picture_list
from deepvis_toolbox.sources.picture_process import decode_apart
from deepvis_toolbox.words.images import RGBImage

MOST = 200
"""Photographs that are looked at, evenly from all."""


def add_statistics_flag(group: argparse._ArgumentGroup) -> None:
    """Add it."""
    group.add_argument(
        "--statistics", metavar="FOLDER|LIST",
        help=f"photographs (at most {MOST} of them) for --norm-prior, which is 1 then, and for --magnitudes",
    )  # fmt: skip


def statistics_of(given: argparse.Namespace, net: Network, say: Say) -> PhotographStatistics | None:
    """Return the statistics of the photographs that were named; None where none were. `ToolboxError` where they cannot
    be read; single ones that cannot be are said."""
    if given.statistics is None:
        return None
    place = user_path(given.statistics)
    is_folder = os.path.isdir(place)  # noqa: PTH112 - answers False to names no system can have
    found = folder_pictures(place) if is_folder else read_picture_list(place)
    chosen = evenly(found, MOST)
    with progress_of(given, len(chosen), "statistics of photographs", "photograph") as progress:
        try:
            return photograph_statistics(net, _photographs(chosen, say, progress))
        except ToolboxError as error:
            raise ToolboxError(f'--statistics "{given.statistics}": {error}') from error


def with_statistics(settings: AscentSettings, statistics: PhotographStatistics | None) -> AscentSettings:
    """Return settings that hold pictures to the statistics, by `norm_prior` too where they name none."""
    if statistics is None:
        return settings
    later = {**settings.later, "norm_prior": settings.norm_prior or 1.0}
    return replace(settings, statistics=statistics, later=later)


def _photographs(paths: list[Path], say: Say, progress: Progress) -> Iterator[RGBImage]:
    for path in paths:
        try:
            photograph = decode_apart(path)
        except ToolboxError as error:
            say(f"skipped: {error}")
        else:
            yield photograph
        progress.advance(1)
