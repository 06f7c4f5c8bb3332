"""`optimize_image.py`: reads the flags, opens the network, makes the pictures, says what came of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepvis_toolbox.atomic_files import check_writable
from deepvis_toolbox.command_line.ending import DONE, PROBLEMS
from deepvis_toolbox.command_line.opened_network import opened_network
from deepvis_toolbox.command_line.talking import begin_talking, print_json
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.folder_lock import FolderLock
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.cli.judges import OpenedJudges, opened_judges
from deepvis_toolbox.optimize.cli.making import Run, made
from deepvis_toolbox.optimize.cli.optimize_flags import given_settings, make_parser
from deepvis_toolbox.optimize.cli.photograph_flags import (
    own_priors_of,
    photographs_of,
    statistics_of,
    taken_clusters,
    with_statistics,
)
from deepvis_toolbox.optimize.cli.target_flags import DEFAULT_CHANNEL, targets_of
from deepvis_toolbox.optimize.files.kept_numbers import keep_numbers
from deepvis_toolbox.optimize.files.montages import write_comparison, write_montages
from deepvis_toolbox.optimize.files.output import Kind, Output
from deepvis_toolbox.optimize.files.picture_files import PictureFiles, PrefixFiles, StoreFiles
from deepvis_toolbox.optimize.files.presets import (
    PARTS,
    SMALL,
    by_default_settings,
    default_preset,
    preset_values,
)
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings, settings_from
from deepvis_toolbox.optimize.method.targets import Target, checked_target, layers_of
from deepvis_toolbox.optimize.production import Summary, store_files, store_of
from deepvis_toolbox.progress import Say
from deepvis_toolbox.unit_images.store import COMPARED

if TYPE_CHECKING:
    from deepvis_toolbox.optimize.natural.own_priors import OwnPriors
    from deepvis_toolbox.optimize.natural.photographs import Photographs

NOTHING_ASKED = (
    "Without arguments nothing is made. Name units, as in the examples; with other flags alone the default unit is "
    f"made, number {DEFAULT_CHANNEL} of the classes, from seed 0."
)


_WHAT_FOR = {PARTS: " for units that see a part of the image", SMALL: " for units that see a few pixels"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the flags say. -> exit status: 0, or 2 where some pictures could not be made."""
    parser = make_parser()
    if not (sys.argv[1:] if arguments is None else arguments):
        print(parser.brief(NOTHING_ASKED), file=sys.stderr)
        return 2
    given = parser.parse_args(arguments)
    begin_talking(given)
    say = _say_on_stderr
    if given.caffe_root is not None:
        say("--caffe-root is not needed and has no effect")
    clusters = taken_clusters(given)
    parameters = given_settings(given)
    with opened_network(given) as net:
        targets, problems = targets_of(given, net, say)
        with opened_judges(given, net, targets) as judges:
            photographs = photographs_of(given, net, clusters)
            own = own_priors_of(given, photographs, clusters)
            runs = _held(given, net, _runs(given, net, targets, parameters, say), own)
            outputs = [_output(given, net, run.name, run.settings, photographs) for run in runs]
            if given.judge:
                outputs = [replace(output, judges=judges.verdicts) for output in outputs]
            summary = _made_and_joined(given, net, targets, [*zip(runs, outputs, strict=True)], judges, say)
    summary.problems[:0] = problems
    return _report(summary, given.json, say)


def _made_and_joined(
    given: argparse.Namespace,
    net: Network,
    targets: Sequence[Target],
    runs: Sequence[tuple[Run, Output]],
    judges: OpenedJudges,
    say: Say,
) -> Summary:
    """Make the pictures of the runs and join them."""
    files = runs[0][1].files
    with _alone(given, runs[0][1]) as lock:
        summary = made(given, net, [(run, replace(output, lock=lock)) for run, output in runs], say)
        if given.judge and summary.skipped and not given.compare:
            say("the records of pictures that were there already stay as they are; "
                "python -m deepvis_toolbox.optimize.judge --write keeps what judges say")  # fmt: skip
        checked = [checked_target(target, net) for target in targets]
        if given.compare:
            panels = [(run.name, output.files) for run, output in runs]
            summary.written += write_comparison(panels, checked, summary.problems, summary.failed, judges.sheet)
        else:
            summary.written += write_montages(net, files, checked, summary.problems, summary.failed)
            keep_numbers(files, checked, summary.problems)
        lock.check()
    return summary


def _held(given: argparse.Namespace, net: Network, runs: Sequence[Run], own: OwnPriors | None) -> list[Run]:
    """Return the runs, their pictures held to the photographs that were named."""
    held = [target for run in runs if run.settings.sorted_prior for target in run.targets]
    sorted_for = {name for target in held for name in layers_of(target)}
    statistics = statistics_of(given, net, sorted_for, _say_on_stderr)
    if own is not None:
        own.check([target for run in runs for target in run.targets])
    return [run._replace(settings=with_statistics(given, run.settings, statistics), own=own) for run in runs]


def _runs(
    given: argparse.Namespace, net: Network, targets: Sequence[Target], parameters: dict[str, Any], say: Say
) -> list[Run]:
    """Return what is made how; several to be compared. Flags go before what a preset says."""
    if given.compare is not None:
        names = [name.strip() for name in given.compare.split(",") if name.strip()]
        if not names:
            raise ToolboxError("--compare names no preset; write it as --compare paper1,paper2,paper3,paper4")
        return [Run(name, _settings({**preset_values(net, name), **parameters}, name), targets) for name in names]
    if given.preset is None and not parameters:
        for name in dict.fromkeys(default_preset(net, target) for target in targets):
            whose = f"of {net.name}" if name in net.description.presets else "for any network"
            say(f'no parameters given: using the preset "{name}" {whose}{_WHAT_FOR.get(name, "")}')
        return [Run("", settings, group) for settings, group in by_default_settings(net, targets)]
    if given.preset is None and not {"lr_policy", "lr_params"} & parameters.keys():
        say("without --lr-params a step is the gradient times 1, which may be far too little; --preset default begins "
            "with other parameters, and changes those that you give")  # fmt: skip
    values = preset_values(net, given.preset) if given.preset is not None else {}
    return [Run("", _settings({**values, **parameters}, given.preset), targets)]


def _settings(values: dict[str, Any], preset: str | None) -> AscentSettings:
    settings = settings_from(values, f'preset "{preset}" with the flags given' if preset else "the flags given")
    if 0 < settings.blur_radius < 0.3:
        _say_on_stderr(f"a blur radius of {settings.blur_radius} pixels is so small that it hardly does anything")
    return settings


def _output(
    given: argparse.Namespace, net: Network, group: str, settings: AscentSettings, photographs: Photographs | None
) -> Output:
    """Return where results go, tried before any work is done."""
    beside = photographs.beside if photographs is not None else None
    if given.out is None:
        store = store_of(net, given.store)
        check_writable(store.folder)
        files: PictureFiles = store_files(net, store, f".{given.format}", f"{COMPARED}-{group}" if group else "")
        return Output(files, arrays=given.arrays, overwrite=given.brave, beside=beside)
    if given.compare or given.store:
        raise ToolboxError("--out writes the original's files; it does not go with --compare or --store")
    check_writable(Path(given.out).parent)
    files = PrefixFiles(given.out, given.template, settings)
    kinds: tuple[Kind, ...] = ("majority", "best", "last")
    return Output(files, kinds, given.arrays, text=True, overwrite=given.brave, beside=beside)


def _alone(given: argparse.Namespace, output: Output) -> FolderLock:
    """While nobody else writes into the store; under the original's names, runs have prefixes of their own."""
    if isinstance(output.files, StoreFiles):
        return FolderLock(output.files.store.folder)
    return FolderLock(Path(given.out).parent, Path(given.out).name)


def _report(summary: Summary, as_json: bool, say: Say) -> int:
    for problem in summary.problems:
        say(f"error: {problem}")
    if as_json:
        written = [str(path) for path in summary.written]
        counts = {"made": summary.made, "were_there": summary.skipped}
        print_json({**counts, "problems": summary.problems, "montages": written})
        return PROBLEMS if summary.problems else DONE
    there = f", {summary.skipped} were there already" if summary.skipped else ""
    failed = f", {len(summary.problems)} with problems (above)" if summary.problems else ""
    print(f"{summary.made} {'picture' if summary.made == 1 else 'pictures'} made{there}{failed}")
    for path in summary.written:
        print(path)
    return PROBLEMS if summary.problems else DONE


def _say_on_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
