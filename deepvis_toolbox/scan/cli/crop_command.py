"""Command: what excites the units, cut out of their top images, and which part of it does (deconv)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from deepvis_toolbox.command_line import values
from deepvis_toolbox.command_line.ending import DONE, PROBLEMS
from deepvis_toolbox.command_line.flags import (
    add_network_flags,
    add_store_flag,
    add_talk_flags,
    add_unit_flags,
    addresses_with,
)
from deepvis_toolbox.command_line.opened_network import opened_network
from deepvis_toolbox.command_line.parser import CommandParser, add_flag
from deepvis_toolbox.command_line.talking import begin_talking, note, print_json, progress_of
from deepvis_toolbox.words.backward import looks_help, parsed_look


def parser() -> CommandParser:
    """Return the command's flags."""
    parser = CommandParser(
        "deepvis-crop",
        "Cuts what excites the units out of their top images, and shows which part of it does (deconv).",
        [
            ("--maxes maxes/ --units head:0-9,fc:281 --store unit_images/", ""),
            ("--maxes maxes/ --looks deconv:raw guided:norm", ""),
        ],
        "Units that are there already are skipped.",
    )
    add_network_flags(parser)
    add_unit_flags(parser, "all that were scanned")
    pictures = parser.group("pictures in")
    pictures.add_argument("--maxes", required=True, metavar="DIR", help="the folder that the scan wrote")
    pictures.add_argument(
        "--images", metavar="DIR", help="where the pictures are now, if they have moved: as for the scan"
    )
    group = parser.group("method")
    add_flag(group, "--count", reader=values.positive, default=9, metavar="N", help="pictures a unit (default: 9)")
    help_text = f"{looks_help()}; the first makes the montage (default: the model's)"
    group.add_argument("--looks", nargs="+", default=[], metavar="MODE:VIEW", help=help_text)
    add_flag(group, "--batch-size", reader=values.positive, default=8, metavar="N", help="(default: 8)")
    add_store_flag(parser, aliases=["--out"])
    results = parser.group("results out")
    results.add_argument("--singles", action="store_true", help="also each patch as a file of its own")
    add_flag(results, "--tile", reader=values.whole_number, default=0, metavar="N",
             help="shrink patches to N pixels in montages")  # fmt: skip
    add_talk_flags(parser, json="what was made")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Crop as the arguments say."""
    given = parser().parse_args(arguments)
    begin_talking(given)
    looks = tuple(parsed_look(text) for text in given.looks)
    from deepvis_toolbox.folder_lock import FolderLock
    from deepvis_toolbox.scan.numbers.unit_index import chosen_layers
    from deepvis_toolbox.scan.patches.patch_store import PatchOptions, owned_units, write_patches
    from deepvis_toolbox.scan.top_images import TopImages
    from deepvis_toolbox.unit_images.store import UnitImageStore
    from deepvis_toolbox.words.unit import parse_units

    top = TopImages.load(given.maxes)
    if top.missing:
        note(top.missing)
    if given.images:
        top.pictures = top.pictures.moved_to(given.images)
    with opened_network(given) as net:
        store = UnitImageStore.for_network(net.description, given.store)
        layers = chosen_layers(net.layers, given.layers) if given.layers else () if given.units else top.layers
        addresses = addresses_with(given, layers)
        units = owned_units(
            store, [unit for address in addresses for unit in parse_units(address, net.layers, net.class_names)]
        )
        looks = looks or net.description.unit_images.looks
        settings = PatchOptions(given.count, looks, given.singles, given.tile, given.batch_size)
        store.check_network(net)
        with FolderLock(store.folder), progress_of(given, len(units), "cropping", "units") as progress:
            summary = write_patches(net, top, units, store, settings, progress)
    if given.json:
        counts = {"made": summary.made, "were_there": summary.there, "problems": list(summary.problems)}
        print_json({"store": str(store.folder), **counts})
        return PROBLEMS if summary.problems else DONE
    for problem in summary.problems if given.quiet else ():  # else the progress said them
        print(f"problem: {problem}", file=sys.stderr)
    print(f"{store.folder}: {summary.made} units made, {summary.there} were there, {len(summary.problems)} problems")
    return PROBLEMS if summary.problems else DONE
