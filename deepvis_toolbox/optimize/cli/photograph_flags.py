"""Photographs that pictures are held to, and told beside: `--statistics`, `--maxes`, and `--start-at clusters`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from deepvis_toolbox.command_line.parser import CommandParser, add_flag
from deepvis_toolbox.command_line.talking import progress_of
from deepvis_toolbox.errors import ToolboxError, user_path
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.photographs import PhotographStatistics, photograph_statistics
from deepvis_toolbox.optimize.method.starts import CLUSTERS
from deepvis_toolbox.progress import Progress, Say
from deepvis_toolbox.sources.listing import evenly, folder_pictures, read_picture_list
from deepvis_toolbox.sources.picture_process import decode_apart
from deepvis_toolbox.words.images import RGBImage

if TYPE_CHECKING:
    from deepvis_toolbox.optimize.natural.own_priors import OwnPriors
    from deepvis_toolbox.optimize.natural.photographs import Photographs

MOST = 200
"""Photographs that are looked at, evenly from all."""
TOP = "top"
"""In place of a folder: each unit's own."""
USUAL_CLUSTERS = 3
MOST_CLUSTERS = 100


def add_photograph_flags(parser: CommandParser) -> None:
    """Add them."""
    pictures = parser.group("pictures in")
    pictures.add_argument(
        "--maxes", metavar="DIR",
        help="a scan of the network: each unit's top photographs, for --statistics top, --start-at clusters, and "
        "numbers in records",
    )  # fmt: skip
    add_flag(pictures, "--images", metavar="DIR|ARCHIVE", help="where the pictures of --maxes are, if they have moved")
    parser.group("method").add_argument(
        "--statistics", metavar="FOLDER|LIST|top",
        help=f"photographs (at most {MOST} of them), or each unit's own top ones (--maxes), for --norm-prior, which is "
        "1 then, --sorted-prior and --magnitudes",
    )  # fmt: skip


def taken_clusters(given: argparse.Namespace) -> int:
    """Return of how many clusters `--start-at clusters:N` says, and take that away; 0 where it says something else."""
    name, _, count = (given.start_at or "").partition(":")
    if name != CLUSTERS:
        return 0
    if count and not (count.isdecimal() and len(count) < 5 and 1 <= int(count) <= MOST_CLUSTERS):
        raise ToolboxError(
            f'--start-at "{given.start_at}": write clusters, or clusters:N with N from 1 to {MOST_CLUSTERS}'
        )
    given.start_at = None
    return int(count or USUAL_CLUSTERS)


def photographs_of(given: argparse.Namespace, net: Network, clusters: int) -> Photographs | None:
    """Return what the scan after `--maxes` says of the network's units; None without it. `ToolboxError` where it is
    needed and not named, or is of another network."""
    if given.maxes is None:
        if clusters or given.statistics == TOP:
            what = "--start-at clusters" if clusters else "--statistics top"
            raise ToolboxError(f"{what} is of each unit's top photographs; name a scan of the network with --maxes DIR")
        if given.images:
            raise ToolboxError("--images says where the pictures of a scan are; name the scan with --maxes DIR")
        return None
    from deepvis_toolbox.optimize.natural.photographs import photographs_of_scan

    return photographs_of_scan(net, given.maxes, given.images)


def own_priors_of(given: argparse.Namespace, photographs: Photographs | None, clusters: int) -> OwnPriors | None:
    """Return what is taken of each unit's own top photographs; None where nothing is."""
    if photographs is None or not (clusters or given.statistics == TOP):
        return None
    from deepvis_toolbox.optimize.natural.own_priors import OwnPriors

    return OwnPriors(photographs, given.statistics == TOP, clusters)


def statistics_of(
    given: argparse.Namespace, net: Network, sorted_for: Collection[str], say: Say
) -> PhotographStatistics | None:
    """Return the statistics of the photographs that were named; None where none were. `sorted_for`: layers whose units
    are held to sorted values. `ToolboxError` where they cannot be read; single ones that cannot be are said."""
    if given.statistics in (None, TOP):
        return None
    place = user_path(given.statistics)
    is_folder = os.path.isdir(place)  # noqa: PTH112 - answers False to names no system can have
    found = folder_pictures(place) if is_folder else read_picture_list(place)
    chosen = evenly(found, MOST)
    with progress_of(given, len(chosen), "statistics of photographs", "photograph") as progress:
        try:
            return photograph_statistics(net, _photographs(chosen, say, progress), sorted_for)
        except ToolboxError as error:
            raise ToolboxError(f'--statistics "{given.statistics}": {error}') from error


def with_statistics(
    given: argparse.Namespace, settings: AscentSettings, statistics: PhotographStatistics | None
) -> AscentSettings:
    """Return settings that hold pictures to statistics, where any were named (each unit's own come later): by
    `norm_prior` too, unless they, or the flags, name a weight."""
    if given.statistics is None:
        return settings
    weight = settings.norm_prior or (1.0 if given.norm_prior is None and not settings.sorted_prior else 0.0)
    return replace(settings, statistics=statistics, later={**settings.later, "norm_prior": weight})


def _photographs(paths: list[Path], say: Say, progress: Progress) -> Iterator[RGBImage]:
    for path in paths:
        try:
            photograph = decode_apart(path)
        except ToolboxError as error:
            say(f"skipped: {error}")
        else:
            yield photograph
        progress.advance(1)
