"""Command: which pictures of a data set excite each unit most, and where in them."""

from __future__ import annotations

import argparse
import sys

from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.command_line.extend_flag import add_extend_flag
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.opening.model_folder import model_forms

_EPILOG = """examples:
  python find_maxes/find_max_acts.py --model efficientnet-lite0 --images photos/ --out maxes/
  deepvis-scan --model efficientnet-lite0 --images train.tar --layers 'block*' fc --out maxes/
  deepvis-scan … --shard 0/4 --out part0     (and 1/4 …; then deepvis-merge)

A run that was killed goes on when it is started again with the same arguments."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    arguments = argparse.ArgumentParser(
        prog="find_max_acts", description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--model", required=True, help=model_forms())
    arguments.add_argument("--engine", default="torch", choices=("torch", "caffe"), help="what computes the network")
    arguments.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    arguments.add_argument("--images", required=True, metavar="DIR", help="pictures, and tar and zip archives of them")
    arguments.add_argument("--list", metavar="FILE", help="only these: a path below DIR and optionally a label a line")
    arguments.add_argument("--out", required=True, metavar="DIR", help="where the result is written")
    arguments.add_argument("--layers", nargs="+", metavar="NAME", help="names or patterns (default: all)")
    arguments.add_argument("--top", type=int, default=9, metavar="N", help="pictures a unit (default: %(default)s)")
    arguments.add_argument("--bottom", action="store_true", help="also the pictures with the smallest activations")
    arguments.add_argument("--statistics", action="store_true", help="also statistics over places")
    arguments.add_argument("--no-correlations", action="store_true", help="no correlation matrices of the units")
    arguments.add_argument("--batch-size", type=int, metavar="N", help="(default: 12, on an accelerator 128)")
    arguments.add_argument("--workers", type=int, metavar="N", help="decoding processes (default: half of the cores)")
    arguments.add_argument("--checkpoint-every", type=int, default=5000, metavar="N", help="pictures in between")
    arguments.add_argument("--shard", metavar="I/N", help="only the I-th of N parts, from 0")
    arguments.add_argument("--ray", nargs="?", const="local", metavar="ADDRESS", help="scan on a Ray cluster")
    add_extend_flag(arguments)
    return arguments


def main() -> int:
    """Scans as the arguments say."""
    options = parser().parse_args()
    shard = _shard(options.shard)
    if options.checkpoint_every < 1 or (options.workers or 0) < 0 or options.batch_size == 0:
        raise ToolboxError("--checkpoint-every and --batch-size must be at least 1, --workers at least 0")
    if options.ray and options.shard:
        raise ToolboxError("--ray divides the scan among its machines; it does not go with --shard")
    from deepvis_toolbox.opening.loading import load_network
    from deepvis_toolbox.progress import show_progress
    from deepvis_toolbox.scan.pictures.picture_list import list_pictures
    from deepvis_toolbox.scan.scanning import scan

    pictures = list_pictures(options.images, options.list)
    for note in pictures.notes:
        print(f"note: {note}", file=sys.stderr)
    chosen = {
        "layers": options.layers,
        "top": options.top,
        "bottom": options.bottom,
        "statistics": options.statistics,
        "correlations": not options.no_correlations,
        "batch_size": options.batch_size,
        "checkpoint_every": options.checkpoint_every,
    }
    if options.ray:
        from deepvis_toolbox.scan.ray_scan import scan_on_ray

        loading = {"engine": options.engine, "device": options.device}
        with show_progress(len(pictures), "scanning", "pictures") as progress:
            place = {"out": options.out, "address": options.ray, "progress": progress}
            top = scan_on_ray(options.model, pictures, loading=loading, **place, **chosen)
    else:
        with (
            load_network(options.model, engine=options.engine, device=options.device) as net,
            show_progress(len(pictures), "scanning", "pictures") as progress,
        ):
            top = scan(
                net, pictures, out=options.out, workers=options.workers, shard=shard, progress=progress, **chosen
            )
    _report(top, options.out)
    return 0


def _report(top, out: str) -> None:  # type: ignore[no-untyped-def] # TopImages, imported late
    skipped = top.skipped
    for index, reason in list(skipped.items())[:10]:
        print(f"skipped {top.pictures.path(index)}: {reason}", file=sys.stderr)
    if len(skipped) > 10:
        print(f"… and {len(skipped) - 10} more; all are in {out}/manifest.json", file=sys.stderr)
    print(f"{out}: {top.index.total} units of {len(top.layers)} layers, {top.pictures_read} pictures")


def _shard(text: str | None) -> tuple[int, int]:
    if text is None:
        return 0, 1
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and int(number) < int(count)):
        raise ToolboxError(f'"{text}" is no shard; write --shard 0/4 for the first of four')
    return int(number), int(count)


def run() -> None:
    """`deepvis-scan`."""
    sys.exit(run_command(main))
