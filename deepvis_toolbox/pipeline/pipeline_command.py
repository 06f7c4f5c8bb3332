"""Makes unit images with one command: scan, crops, deconvs, preferred images, into the store that the window reads."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deepvis_toolbox.errors import ToolboxError

_EPILOG = """examples:
  python -m deepvis_toolbox.pipeline --model efficientnet-lite0 --images photos/ --layers head fc
  python -m deepvis_toolbox.pipeline --model efficientnet-lite0 --images photos/ --units head:0-15 fc:281
  python -m deepvis_toolbox.pipeline --model efficientnet-lite0 --units fc:0-99 --stages preferred

Stopped at any point (Ctrl-C, a kill), the same command goes on where it was."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    raw = argparse.RawDescriptionHelpFormatter
    prog = "python -m deepvis_toolbox.pipeline"
    arguments = argparse.ArgumentParser(prog, description=__doc__, epilog=_EPILOG, formatter_class=raw)
    arguments.add_argument("--model", required=True, help="a folder of models/, a model.yaml, torchvision:…, timm:…")
    arguments.add_argument("--engine", default="torch", choices=("torch", "caffe"), help="what computes the network")
    arguments.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    arguments.add_argument("--images", metavar="DIR", help="the pictures to find top images in, and archives of them")
    arguments.add_argument("--list", metavar="FILE", help="only these: a path below DIR and optionally a label a line")
    arguments.add_argument("--layers", nargs="+", metavar="NAME", help="all units of layers, names or patterns")
    arguments.add_argument("--units", nargs="+", metavar="ADDRESS", help="layer:unit, layer:0-9, layer:all")
    arguments.add_argument("--store", metavar="DIR", help="where to (default: the model.yaml's, or unit_images/MODEL)")
    arguments.add_argument("--maxes", metavar="DIR", help="where the scan is kept (default: maxes/MODEL)")
    arguments.add_argument("--seeds", type=int, default=1, metavar="N", help="preferred images a unit, 1 to 9")
    arguments.add_argument("--preset", metavar="NAME", help="for preferred images (default: the model's default)")
    arguments.add_argument("--stages", nargs="+", choices=("scan", "crops", "preferred"), help="only these")
    arguments.add_argument("--workers", type=int, metavar="N", help="decoding processes (default: half of the cores)")
    arguments.add_argument("--estimate", action="store_true", help="only say how long it would take")
    return arguments


def main(given: Sequence[str] | None = None) -> int:
    """Runs the stages as the arguments say."""
    options = parser().parse_args(given)
    if not 1 <= options.seeds <= 9:
        raise ToolboxError(f"--seeds is {options.seeds}; a montage holds 1 to 9 preferred images")
    names = options.stages or (["scan", "crops", "preferred"] if options.images else ["preferred"])
    if options.list and not options.images:
        raise ToolboxError("--list names pictures below a folder; give the folder with --images")
    if "scan" in names and not options.images:
        raise ToolboxError("--images is missing: name the folder of pictures to find top images in")
    from deepvis_toolbox.opening.loading import load_network
    from deepvis_toolbox.pipeline.stages import STAGES

    with load_network(options.model, engine=options.engine, device=options.device) as net:
        job = _job(net, options)
        _check_units(job, names)
        return _run([STAGES[name](job) for name in STAGES if name in names], options.estimate)


def _run(stages, only_estimate: bool) -> int:  # type: ignore[no-untyped-def] # Stage, imported late
    from deepvis_toolbox.pipeline.stages import Share
    from deepvis_toolbox.progress import show_progress

    job = stages[0].job
    amounts = [stage.amount() for stage in stages]
    costs = [stage.seconds_each() if amount else 0.0 for stage, amount in zip(stages, amounts, strict=True)]
    seconds = [amount * cost for amount, cost in zip(amounts, costs, strict=True)]
    print(f"{len(job.units)} units of {len(job.layers)} layers into {job.store.folder}; about {_spoken(sum(seconds))}:")
    for stage, amount, cost in zip(stages, amounts, seconds, strict=True):
        print(f"  {stage.title}, {amount} {stage.unit}: about {_spoken(cost)}")
    sys.stdout.flush()
    if only_estimate:
        return 0
    problems = []
    whole = sum(stage.total() * cost for stage, cost in zip(stages, costs, strict=True))
    with show_progress(max(whole, 1e-3), "unit images", "estimated seconds") as progress:
        for stage, cost in zip(stages, costs, strict=True):
            share = Share(progress, stage, cost)
            share.note("begins")
            problems += stage.run(share)
    for problem in problems[:10]:
        print(f"problem: {problem}", file=sys.stderr)
    print(f"done; {len(problems)} problems; the pictures are in {job.store.folder}")
    return 0


def _job(net, options: argparse.Namespace):  # type: ignore[no-untyped-def] # Network and Job, imported late
    from deepvis_toolbox.optimize.files.presets import DEFAULT, preset, presets_of
    from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
    from deepvis_toolbox.optimize.production import store_of
    from deepvis_toolbox.pipeline.stages import Job
    from deepvis_toolbox.scan.pictures.picture_list import list_pictures
    from deepvis_toolbox.unit_images.file_names import file_name_of

    name = options.preset or (DEFAULT if DEFAULT in presets_of(net) else None)
    pictures = list_pictures(options.images, options.list) if options.images else None
    for note in pictures.notes if pictures else ():
        print(f"note: {note}", file=sys.stderr)
    store = store_of(net, options.store)
    return Job(
        net,
        tuple(_units(net, options, store)),
        store,
        pictures,
        Path(options.maxes) if options.maxes else Path("maxes") / file_name_of(net.name),
        tuple(range(options.seeds)),
        preset(net, name) if name else AscentSettings(),
        options.workers,
    )


def _check_units(job, names: Sequence[str]) -> None:  # type: ignore[no-untyped-def]
    """Before hours of work: whether there is something to make of every unit, in a store that is this network's."""
    from deepvis_toolbox.optimize.method.targets import checked_target
    from deepvis_toolbox.scan.numbers.unit_index import chosen_layers

    job.store.check_network(job.net)
    scanned = chosen_layers(job.net.layers, None)
    for unit in job.units:
        checked_target(unit, job.net)
        if "crops" in names and unit.layer not in scanned:
            raise ToolboxError(f'layer "{unit.layer}" is the input, which has no top images; leave it out of --units')


def _units(net, options: argparse.Namespace, store):  # type: ignore[no-untyped-def]
    """Those asked for; of a layer that shows another layer's pictures, that layer's."""
    from deepvis_toolbox.scan.numbers.unit_index import chosen_layers
    from deepvis_toolbox.words.unit import parse_units

    addresses = list(options.units or [])
    if options.layers or not addresses:
        addresses += [f"{layer}:all" for layer in chosen_layers(net.layers, options.layers)]
    units = [unit for address in addresses for unit in parse_units(address, net.layers)]
    return list(dict.fromkeys(store.owning_unit(unit) for unit in units))


def _spoken(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
