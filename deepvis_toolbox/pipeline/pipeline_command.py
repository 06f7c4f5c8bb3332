"""Command: makes unit images: scan, crops, deconvs, preferred images, into the store that the window reads."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepvis_toolbox.command_line import values
from deepvis_toolbox.command_line.ending import DONE, PROBLEMS
from deepvis_toolbox.command_line.flags import (
    add_images_flags,
    add_network_flags,
    add_preset_flag,
    add_store_flag,
    add_talk_flags,
    add_unit_flags,
    addresses_with,
)
from deepvis_toolbox.command_line.going_on import add_yes_flag, may_go_on
from deepvis_toolbox.command_line.opened_network import opened_network
from deepvis_toolbox.command_line.parser import CommandParser, add_alias, add_flag
from deepvis_toolbox.command_line.talking import begin_talking, note, print_json, progress_of
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.folder_lock import FolderLock

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network
    from deepvis_toolbox.pipeline.stages import Job, Stage
    from deepvis_toolbox.scan.pictures.picture_list import PictureList
    from deepvis_toolbox.unit_images.store import UnitImageStore
    from deepvis_toolbox.words.unit import Unit

MOST_PREFERRED = 9
"""A montage holds so many."""


def parser() -> CommandParser:
    """Return the command's flags."""
    parser = CommandParser(
        "deepvis-pipeline",
        "Makes unit images: scan, crops, deconvs, preferred images, into the store that the window reads.",
        [
            ("--images photos/ --units head:0-15,fc:281", ""),
            ("--layers head fc --stages preferred --count 9", ""),
        ],
        "Stopped at any point (Ctrl-C, a kill), the same command goes on where it was.",
    )
    add_network_flags(parser)
    add_unit_flags(parser, "all")
    add_images_flags(parser, "; without it, only preferred images are made")
    _add_method(parser)
    add_store_flag(parser, aliases=[])
    results = parser.group("results out")
    results.add_argument("--maxes", metavar="DIR", help="where the scan is kept (default: maxes/MODEL)")
    add_preset_flag(parser, "for preferred images (default: the model's default)")
    add_talk_flags(parser, json="what is to be made, what it takes, and what was made,")
    return parser


def _add_method(parser: CommandParser) -> None:
    group = parser.group("method")
    add_flag(group, "--count", reader=values.up_to(MOST_PREFERRED), metavar="N",
             help=f"preferred images a unit, 1 to {MOST_PREFERRED} (default: 1)")  # fmt: skip
    add_alias(group, "--seeds", _seeds_or_count, dest="seeds")
    parser.set_defaults(seeds=None)
    group.add_argument("--stages", nargs="+", choices=("scan", "crops", "preferred"), help="only these")
    add_flag(group, "--workers", reader=values.whole_number, metavar="N",
             help="decoding processes (default: half of the cores)")  # fmt: skip
    group.add_argument("--accept-versions", action="store_true",
                       help="go on with a scan although updates give other numbers")  # fmt: skip
    group.add_argument("--estimate", action="store_true", help="only say how long it would take")
    add_yes_flag(parser)


def _seeds_or_count(text: str, flag: str) -> int | list[int]:
    """Return seeds, or how many of them: `--seeds 4` meant that here before there was `--count`, and still does."""
    return values.up_to(MOST_PREFERRED)(text, flag) if text.strip().isdecimal() else values.seeds(text, flag)


def _seeds(given: argparse.Namespace) -> tuple[int, ...]:
    """Return the preferred images' seeds."""
    if given.seeds is None:
        return tuple(range(given.count or 1))
    if given.count is not None:
        raise ToolboxError("--count and --seeds say the same; give one of them")
    if isinstance(given.seeds, int):
        note(f"--seeds {given.seeds} is read as --count {given.seeds}: so many, from seed 0")
        return tuple(range(given.seeds))
    if len(given.seeds) > MOST_PREFERRED:
        raise ToolboxError(f"--seeds names {len(given.seeds)}; a montage holds 1 to {MOST_PREFERRED} preferred images")
    return tuple(given.seeds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stages as the arguments say."""
    given = parser().parse_args(arguments)
    begin_talking(given)
    names = given.stages or (["scan", "crops", "preferred"] if given.images else ["preferred"])
    if given.list and not given.images:
        raise ToolboxError("--list names pictures below a folder; give the folder with --images")
    if "scan" in names and not given.images:
        raise ToolboxError("--images is missing: name the folder of pictures to find top images in")
    seeds = _seeds(given)
    from deepvis_toolbox.pipeline.stages import STAGES

    with opened_network(given) as net:
        job = _job(net, given, seeds)
        _check_units(job, names)
        return _run([STAGES[name](job) for name in STAGES if name in names], given)


def _run(stages: Sequence[Stage], given: argparse.Namespace) -> int:
    job = stages[0].job
    amounts = [stage.amount() for stage in stages]
    costs = [stage.seconds_each() if amount else 0.0 for stage, amount in zip(stages, amounts, strict=True)]
    seconds = [amount * cost for amount, cost in zip(amounts, costs, strict=True)]
    record = _plan(stages, amounts, seconds)
    if not given.json:
        _say_plan(record)
    if not given.estimate and not may_go_on(record["seconds"], _spoken(record["seconds"]), given.yes):
        note("nothing was made")
        return 2
    if not given.estimate:
        with FolderLock(job.store.folder):
            record["problems"] = _made(stages, costs, given)
    if given.json:
        print_json(record)
    elif not given.estimate:
        for problem in record["problems"][:10]:
            print(f"problem: {problem}", file=sys.stderr)
        print(f"done; {len(record['problems'])} problems; the pictures are in {job.store.folder}")
    return PROBLEMS if record.get("problems") else DONE


def _plan(stages: Sequence[Stage], amounts: Sequence[float], seconds: Sequence[float]) -> dict[str, Any]:
    """Return what is to be made, and the seconds that it takes, as plain data."""
    job = stages[0].job
    parts = [
        {"stage": stage.title, "amount": amount, "unit": stage.unit, "seconds": cost}
        for stage, amount, cost in zip(stages, amounts, seconds, strict=True)
    ]
    place = {"store": str(job.store.folder), "units": len(job.units), "layers": len(job.layers)}
    return {**place, "seconds": sum(seconds), "stages": parts}


def _say_plan(plan: dict[str, Any]) -> None:
    units = f"{plan['units']} units of {plan['layers']} layers"
    print(f"{units} into {plan['store']}; about {_spoken(plan['seconds'])}:")
    for part in plan["stages"]:
        print(f"  {part['stage']}, {part['amount']} {part['unit']}: about {_spoken(part['seconds'])}")
    sys.stdout.flush()


def _made(stages: Sequence[Stage], costs: Sequence[float], given: argparse.Namespace) -> list[str]:
    """Run the stages; the problems, a sentence each."""
    from deepvis_toolbox.pipeline.stages import Share

    problems: list[str] = []
    whole = sum(stage.total() * cost for stage, cost in zip(stages, costs, strict=True))
    with progress_of(given, max(whole, 1e-3), "unit images", "estimated seconds") as progress:
        for stage, cost in zip(stages, costs, strict=True):
            share = Share(progress, stage, cost)
            share.note("begins")
            problems += stage.run(share)
    return problems


def _job(net: Network, given: argparse.Namespace, seeds: tuple[int, ...]) -> Job:
    from deepvis_toolbox.optimize.files.presets import preset
    from deepvis_toolbox.optimize.production import store_of
    from deepvis_toolbox.pipeline.stages import Job
    from deepvis_toolbox.scan.pictures.given_pictures import given_pictures
    from deepvis_toolbox.unit_images.file_names import file_name_of

    store = store_of(net, given.store)
    pictures = _without_store(given_pictures(given), store.folder) if given.images else None
    return Job(
        net,
        tuple(_units(net, given, store)),
        store,
        pictures,
        Path(given.maxes) if given.maxes else Path("maxes") / file_name_of(net.name),
        seeds,
        preset(net, given.preset) if given.preset else None,
        given.workers,
        given.accept_versions,
    )


def _without_store(pictures: PictureList, store: Path) -> PictureList:
    """Return the data set without what the pipeline makes itself, which may lie among the pictures."""
    kept = pictures.without(store)
    if len(kept) < len(pictures):
        note(f'"{store}" is the store; its {len(pictures) - len(kept)} pictures are left out of the scan')
    if not len(kept):
        raise ToolboxError(f'all pictures that --images names lie in the store "{store}"; name others, or --store')
    return kept


def _check_units(job: Job, names: Sequence[str]) -> None:
    """Check, before hours of work, whether there is something to make of every unit, in a store that is this
    network's."""
    from deepvis_toolbox.optimize.method.targets import checked_target
    from deepvis_toolbox.scan.numbers.unit_index import chosen_layers

    job.store.check_network(job.net)
    scanned = chosen_layers(job.net.layers, None)
    for unit in job.units:
        checked_target(unit, job.net)
        if "crops" in names and unit.layer not in scanned:
            raise ToolboxError(f'layer "{unit.layer}" is the input, which has no top images; leave it out of --units')


def _units(net: Network, given: argparse.Namespace, store: UnitImageStore) -> list[Unit]:
    """Return those asked for; of a layer that shows another layer's pictures, that layer's."""
    from deepvis_toolbox.scan.numbers.unit_index import chosen_layers
    from deepvis_toolbox.words.unit import parse_units

    layers = chosen_layers(net.layers, given.layers) if given.layers or not given.units else ()
    units = [
        unit for address in addresses_with(given, layers) for unit in parse_units(address, net.layers, net.class_names)
    ]
    return list(dict.fromkeys(store.owning_unit(unit) for unit in units))


def _spoken(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
