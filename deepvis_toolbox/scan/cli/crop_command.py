"""Command: what excites the units, cut out of their top images, and which part of it does (deconv)."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.command_line.extend_flag import add_extend_flag
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.opening.model_folder import model_forms
from deepvis_toolbox.words.backward import BACKWARD_MODES, BACKWARD_VIEWS

_EPILOG = """examples:
  python find_maxes/crop_max_patches.py --model efficientnet-lite0 --maxes maxes/ --units head:0-9 --out unit_images/
  deepvis-crop --model efficientnet-lite0 --maxes maxes/ --looks deconv:raw guided:norm

--maxes is what find_max_acts wrote. Units that are there already are skipped."""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    raw = argparse.RawDescriptionHelpFormatter
    arguments = argparse.ArgumentParser("crop_max_patches", description=__doc__, epilog=_EPILOG, formatter_class=raw)
    arguments.add_argument("--model", required=True, help=f"the network that was scanned: {model_forms()}")
    arguments.add_argument("--engine", default="torch", choices=("torch", "caffe"), help="what computes the network")
    arguments.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    arguments.add_argument("--maxes", required=True, metavar="DIR", help="the folder that find_max_acts wrote")
    arguments.add_argument("--images", metavar="DIR", help="where the pictures are now, if they have moved")
    arguments.add_argument("--units", nargs="+", metavar="ADDRESS", help="layer:unit, layer:0-9, … (default: all)")
    arguments.add_argument("--out", metavar="DIR", help="the store of unit images (default: the model.yaml's)")
    arguments.add_argument("--count", type=int, default=9, metavar="N", help="pictures a unit (default: %(default)s)")
    arguments.add_argument("--looks", nargs="+", default=["deconv:raw"], metavar="MODE:VIEW", help=_looks_help())
    arguments.add_argument("--singles", action="store_true", help="also each patch as a file of its own")
    arguments.add_argument("--tile", type=int, default=0, metavar="N", help="shrink patches to N pixels in montages")
    arguments.add_argument("--batch-size", type=int, default=8, metavar="N", help="(default: %(default)s)")
    add_extend_flag(arguments)
    return arguments


def main() -> int:
    """Crops as the arguments say."""
    options = parser().parse_args()
    looks = parsed_looks(options.looks)
    if options.count < 1 or options.batch_size < 1 or options.tile < 0:
        raise ToolboxError("--count and --batch-size must be at least 1, --tile at least 0")
    from deepvis_toolbox.opening.loading import load_network
    from deepvis_toolbox.progress import show_progress
    from deepvis_toolbox.scan.patches.patch_store import PatchOptions, owned_units, write_patches
    from deepvis_toolbox.scan.top_images import TopImages
    from deepvis_toolbox.unit_images.store import UnitImageStore
    from deepvis_toolbox.words.unit import parse_units

    top = TopImages.load(options.maxes)
    if options.images:
        top.pictures = replace(top.pictures, root=str(Path(options.images).expanduser().absolute()))
    with load_network(options.model, engine=options.engine, device=options.device) as net:
        if not options.out and UnitImageStore.of_network(net.description) is None:
            raise ToolboxError(f"{net.name} names no folder of unit images; give one with --out")
        store = UnitImageStore.for_network(net.description, options.out)
        addresses = options.units or [f"{layer}:all" for layer in top.layers]
        units = owned_units(store, [unit for address in addresses for unit in parse_units(address, net.layers)])
        settings = PatchOptions(options.count, looks, options.singles, options.tile, options.batch_size)
        with show_progress(len(units), "cropping", "units") as progress:
            summary = write_patches(net, top, units, store, settings, progress)
    print(f"{store.folder}: {summary.made} units made, {summary.there} were there, {len(summary.problems)} problems")
    return 0


def parsed_looks(texts: list[str]) -> tuple[tuple[Any, str], ...]:
    """(mode, view) of each `mode:view`. `ToolboxError` where there is no such mode or view."""
    looks = []
    for text in texts:
        mode, _, view = text.partition(":")
        view = view.replace("-", " ") or "raw"
        if mode not in BACKWARD_MODES or view not in BACKWARD_VIEWS:
            raise ToolboxError(f'"{text}" is no look; write {_looks_help()}')
        looks.append((mode, view))
    return tuple(looks)


def _looks_help() -> str:
    views = ", ".join(view.replace(" ", "-") for view in BACKWARD_VIEWS)
    return f"MODE:VIEW, modes {', '.join(BACKWARD_MODES)}, views {views}; the first makes the montage"


def run() -> None:
    """`deepvis-crop`."""
    sys.exit(run_command(main))
