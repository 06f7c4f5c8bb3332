"""Command: an atlas of every unit of a network, as a static site that opens from the disk and can be put anywhere."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deepvis_toolbox.command_line import values
from deepvis_toolbox.command_line.ending import DONE
from deepvis_toolbox.command_line.flags import add_network_flags, add_store_flag, add_talk_flags
from deepvis_toolbox.command_line.opened_network import opened_network
from deepvis_toolbox.command_line.parser import CommandParser, add_flag
from deepvis_toolbox.command_line.talking import begin_talking, note, print_json, progress_of
from deepvis_toolbox.counterpart.flags import add_comparison_flags
from deepvis_toolbox.errors import ToolboxError

if TYPE_CHECKING:
    from deepvis_toolbox.atlas.other_network import OtherNetwork
    from deepvis_toolbox.counterpart.named import NamedNetwork
    from deepvis_toolbox.network.interface import Network
    from deepvis_toolbox.scan.top_images import TopImages

SMALLEST_TILE = 32


def parser() -> CommandParser:
    """Return the command's flags."""
    parser = CommandParser(
        "deepvis-atlas",
        "Writes an atlas of a network: a page for each layer with all of its units, their pictures, and what is known "
        "of them; search, and a quiz. It opens from the disk (index.html) and can be put on any web server.",
        [
            ("--out atlas/", "the default network, from the pictures that come with it"),
            ("--model my-net --store unit_images/my-net --maxes maxes/ --out atlas/", "with top images and statistics"),
        ],
        "Run again, it writes anew what has changed.",
    )
    add_network_flags(parser)
    add_comparison_flags(parser.group("network"), "show which of its units is the same")
    pictures = parser.group("pictures in")
    pictures.add_argument("--maxes", metavar="DIR", help="the folder that a scan of the same network wrote")
    add_store_flag(parser, aliases=[])
    pictures.add_argument("--compare-store", metavar="DIR",
                          help="the unit images of --compare (default: its own, or unit_images/NAME)")  # fmt: skip
    results = parser.group("results out")
    results.add_argument("--layers", nargs="+", default=[], metavar="LAYER",
                         help="these layers only, * allowed (default: all with pictures or in the scan)")  # fmt: skip
    results.add_argument("--out", required=True, metavar="DIR", help="the site's folder")
    add_flag(results, "--tile", reader=partial(values.whole_number, least=SMALLEST_TILE), default=160, metavar="N",
             help="pixels of one of a unit's nine pictures (default: 160)")  # fmt: skip
    results.add_argument("--live", action="store_true",
                         help="also a page that computes in the visitor's own browser, of their camera")  # fmt: skip
    add_talk_flags(parser, json="what was written")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the atlas as the arguments say."""
    given = parser().parse_args(arguments)
    begin_talking(given)
    from deepvis_toolbox.atlas.building import Atlas
    from deepvis_toolbox.atlas.live_runtime import runtime_files
    from deepvis_toolbox.atlas.site import built_site
    from deepvis_toolbox.unit_images.claim import NetworkIdentity
    from deepvis_toolbox.unit_images.store import UnitImageStore

    named, runtime = _compared(given), runtime_files(note) if given.live else None
    with opened_network(given) as net, ExitStack() as stack:
        wanted = net.layers.matching(given.layers) if given.layers else ()
        store = UnitImageStore.for_network(net.description, given.store, lambda: NetworkIdentity.of(net))
        scan = _scan_of(given.maxes, net) if given.maxes else None
        other = _other_network(given, net, named, stack) if named else None
        atlas = Atlas(net, store, scan, 3 * given.tile, _command(given), other)
        layers = atlas.layers(wanted)
        if other is not None:
            with progress_of(given, len(layers) if other.pictures else 0, "matching", "layers") as progress:
                other.match(layers, progress.advance)
        with built_site(given.out) as site, progress_of(given, len(layers), "atlas", "layers") as progress:
            atlas.build(site, layers, progress, runtime)
    first = Path(given.out) / "index.html"
    if given.json:
        print_json({"page": str(first), "layers": layers, "written": site.written, "kept": site.kept})
    else:
        print(f"{len(layers)} layers; {site.written} files written, {site.kept} as they were\n{first}")
    return DONE


def _scan_of(folder: str, net: Network) -> TopImages:
    """Return a scan's result. `ToolboxError` where it is another network's."""
    from deepvis_toolbox.scan.scanned_network import check_scanned_network
    from deepvis_toolbox.scan.top_images import TopImages

    top = TopImages.load(folder)
    check_scanned_network(top, net)
    if top.missing:
        note(top.missing)
    return top


def _compared(given: argparse.Namespace) -> NamedNetwork | None:
    """Return what `--compare` names. `ToolboxError` for what does not go together."""
    from deepvis_toolbox.counterpart.named import named_network

    if given.compare_store and not given.compare:
        raise ToolboxError("--compare-store needs --compare: it holds the other network's pictures")
    return named_network(given, opened_network)


def _other_network(given: argparse.Namespace, net: Network, named: NamedNetwork, stack: ExitStack) -> OtherNetwork:
    from deepvis_toolbox.atlas.other_network import OtherNetwork, store_of

    network = stack.enter_context(named.open(net))
    store, told = store_of(network, given.compare_store, named.has_own_files)
    if told:
        note(told)
    return OtherNetwork(net, network, named.name, named.probe, store)


def _command(given: argparse.Namespace) -> str:
    from deepvis_toolbox.program_names import command_line
    from deepvis_toolbox.words.network import DEFAULT_MODEL

    model = "" if given.model == DEFAULT_MODEL else f" --model {shlex.quote(str(given.model))}"
    return f"{command_line('deepvis')}{model}"
