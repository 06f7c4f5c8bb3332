"""Command: the figures of Yosinski et al. 2015, made of any network."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deepvis_toolbox.command_line import values
from deepvis_toolbox.command_line.ending import DONE, PROBLEMS
from deepvis_toolbox.command_line.flags import (
    add_images_flags,
    add_network_flags,
    add_talk_flags,
    add_unit_flags,
    given_addresses,
)
from deepvis_toolbox.command_line.going_on import add_yes_flag, may_go_on
from deepvis_toolbox.command_line.opened_network import opened_network
from deepvis_toolbox.command_line.parser import CommandParser, add_flag
from deepvis_toolbox.command_line.talking import begin_talking, note, print_json, progress_of
from deepvis_toolbox.errors import ToolboxError, user_path
from deepvis_toolbox.paper.figure import FIGURES

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network
    from deepvis_toolbox.paper.extent import Extent
    from deepvis_toolbox.paper.making import Plan
    from deepvis_toolbox.paper.study import Study

MOST_PICTURES = 500
MOST_TRIALS = 2000
"""What a sheet has room for."""
LESS = "make less with --quick or --figure"


def parser() -> CommandParser:
    """Return the command's flags."""
    made = CommandParser(
        "deepvis-paper",
        "Makes the figures of Yosinski et al. 2015 of a network, and measures what the paper says in words: pictures "
        "with captions, and a record of each.",
        [
            ("--quick", "all of them, with fewer steps and units"),
            ("--figure 3 4 --model caffenet-yos --yes", "two of them, as large as the paper's"),
        ],
        "Run again, it goes on where it was stopped.",
        {"figures": FIGURES},
    )
    add_network_flags(made)
    add_unit_flags(made, "each figure's own")
    add_images_flags(made, f"; up to {MOST_PICTURES} of them (default: frames of the demo)")
    group = made.group("method")
    add_flag(group, "--figure", nargs="+", action="extend", reader=_figure, metavar="N",
             help="which, of those below (default: all)")  # fmt: skip
    group.add_argument("--quick", action="store_true", help="fewer steps, units and seeds: minutes on two cores")
    add_flag(
        group, "--trials", reader=values.up_to(MOST_TRIALS), metavar="N", help="random sets of parameters in table 1"
    )
    add_flag(group, "--max-iter", reader=values.positive, metavar="N", help="steps of an ascent at most")
    group.add_argument("--estimate", action="store_true", help="only say how long it would take")
    add_yes_flag(made)
    add_flag(made.group("results out"), "--out", default="paper", metavar="DIR",
             help="where the figures go, and what is done of them (default: paper)")  # fmt: skip
    add_talk_flags(made, json="the files and what could not be made")
    return made


def _figure(text: str, flag: str) -> str:  # noqa: ARG001
    """Return a figure's name. `ToolboxError` where there is none of that name."""
    FIGURES.check(text)
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the figures. -> exit status."""
    given = parser().parse_args(arguments)
    begin_talking(given)
    from deepvis_toolbox.atomic_files import check_writable
    from deepvis_toolbox.folder_lock import FolderLock
    from deepvis_toolbox.paper.making import make, planned

    folder = user_path(given.out)
    with opened_network(given) as net:
        study = _study(given, net)
        check_writable(folder)
        with FolderLock(folder) as lock:
            plans, problems = planned(study, list(dict.fromkeys(given.figure or FIGURES)), folder)
            if not _may_begin(given, study, plans):
                return PROBLEMS if problems else DONE
            with progress_of(given, sum(plan.passes for plan in plans), "paper", "passes") as progress:
                written, more = make(study, plans, folder, progress)
            lock.check()
    return _end(given, written, [*problems, *more])


def _end(given: argparse.Namespace, written: Sequence[Path], problems: Sequence[str]) -> int:
    for problem in problems:
        note(problem)
    if given.json:
        print_json({"files": [str(path) for path in written], "problems": list(problems)})
    else:
        for path in written:
            print(path)
    return PROBLEMS if problems else DONE


def _may_begin(given: argparse.Namespace, study: Study, plans: Sequence[Plan]) -> bool:
    """Say how long it takes; return whether it is to be done."""
    from deepvis_toolbox.paper.making import seconds_a_pass

    passes = sum(plan.passes for plan in plans)
    seconds = passes * seconds_a_pass(study) if passes else 0.0
    if not given.quiet or given.estimate:
        for plan in plans:
            done, whole = len(plan.there), len(plan.there) + len(plan.left)
            share = seconds * plan.passes / passes if passes else 0.0
            print(
                f"figure {plan.figure.name}: {done} of {whole} pieces are done; about {spoken(share)}", file=sys.stderr
            )
        print(
            f"{study.extent.name} form: at most about {spoken(seconds)} on this machine as it is now", file=sys.stderr
        )
    return not given.estimate and may_go_on(seconds, spoken(seconds), given.yes, LESS)


def spoken(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 90:
        return f"{round(seconds)} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _study(given: argparse.Namespace, net: Network) -> Study:
    from deepvis_toolbox.paper.looked_at import demo_frames, pictures_of
    from deepvis_toolbox.paper.study import Study
    from deepvis_toolbox.scan.pictures.given_pictures import given_pictures
    from deepvis_toolbox.words.unit import parse_units

    units = [unit for address in given_addresses(given) for unit in parse_units(address, net.layers, net.class_names)]
    for unit in units:
        if unit.place is not None:
            plain = f"{unit.layer}:{unit.channel}"
            raise ToolboxError(
                f'--units: a figure shows units at the centre of their maps; write "{plain}", not "{unit}"'
            )
    layers = tuple(net.layers.matching(given.layers)) if given.layers else ()
    fit = net.preprocessing.fit
    frames, source = pictures_of(given_pictures(given), MOST_PICTURES, fit) if given.images else demo_frames(fit)
    return Study(net, _extent(given), frames, source, tuple(dict.fromkeys(units)), layers)


def _extent(given: argparse.Namespace) -> Extent:
    from dataclasses import replace

    from deepvis_toolbox.paper.extent import FULL, QUICK

    extent = QUICK if given.quick else FULL
    if given.trials:
        extent = replace(extent, trials=given.trials)
    return replace(extent, steps=min(extent.steps, given.max_iter)) if given.max_iter else extent
