"""Command: which pictures of a data set excite each unit most, and where in them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deepvis_toolbox.command_line import values
from deepvis_toolbox.command_line.ending import DONE, PROBLEMS
from deepvis_toolbox.command_line.flags import add_images_flags, add_layer_flag, add_network_flags, add_talk_flags
from deepvis_toolbox.command_line.opened_network import (
    loading_options,
    named_model,
    opened_network,
    trusted_elsewhere,
)
from deepvis_toolbox.command_line.parser import CommandParser, add_flag
from deepvis_toolbox.command_line.talking import begin_talking, progress_of
from deepvis_toolbox.errors import ToolboxError

if TYPE_CHECKING:
    from deepvis_toolbox.scan.pictures.picture_list import PictureList
    from deepvis_toolbox.scan.top_images import TopImages


def parser() -> CommandParser:
    """Return the command's flags."""
    parser = CommandParser(
        "deepvis-scan",
        "Finds the pictures of a data set that excite each unit most, and where in them.",
        [
            ("--images photos/ --out maxes/", ""),
            ("--images train.tar --layers 'block*' fc --shard 0/4 --out part0", "and 1/4 …; then merge"),
        ],
        "A run that was killed goes on when it is started again with the same arguments.",
    )
    add_network_flags(parser)
    add_layer_flag(parser, "only these layers")
    add_images_flags(parser)
    _add_method(parser)
    results = parser.group("results out")
    results.add_argument("--out", required=True, metavar="DIR", help="where the result is written")
    add_talk_flags(parser, json="what was found, and what was skipped,")
    return parser


def _add_method(parser: CommandParser) -> None:
    group = parser.group("method")
    add_flag(group, "--count", aliases=["--top"], reader=values.positive, default=9, metavar="N",
             help="pictures a unit (default: 9)")  # fmt: skip
    group.add_argument("--bottom", action="store_true", help="also the pictures with the smallest activations")
    group.add_argument("--statistics", action="store_true", help="also statistics over places")
    group.add_argument("--no-correlations", action="store_true", help="no correlation matrices of the units")
    add_flag(group, "--held-out", reader=values.whole_number, metavar="N",
             help="labelled pictures on which all values are kept, to name units by (default: 2000)")  # fmt: skip
    add_flag(group, "--batch-size", reader=values.positive, metavar="N", help="(default: 12, on an accelerator 128)")
    add_flag(group, "--workers", reader=values.whole_number, metavar="N",
             help="decoding processes (default: half of the cores)")  # fmt: skip
    add_flag(group, "--checkpoint-every", reader=values.positive, default=5000, metavar="N",
             help="pictures in between (default: 5000)")  # fmt: skip
    add_flag(group, "--shard", reader=values.part, metavar="I/N", help="only the I-th of N parts, from 0")
    group.add_argument("--accept-versions", action="store_true",
                       help="go on although PyTorch or NumPy were updated and give other numbers")  # fmt: skip
    add_flag(group, "--ray", nargs="?", const="local", metavar="ADDRESS", help="scan on a Ray cluster")


def main(arguments: Sequence[str] | None = None) -> int:
    """Scan as the arguments say."""
    given = parser().parse_args(arguments)
    begin_talking(given)
    if given.images is None:
        raise ToolboxError("--images is missing: name the pictures to look at")
    if given.ray and given.shard:
        raise ToolboxError("--ray divides the scan among its machines; it does not go with --shard")
    from deepvis_toolbox.scan.cli.scan_summary import report
    from deepvis_toolbox.scan.pictures.given_pictures import given_pictures

    top = _scanned(given, given_pictures(given))
    report(top, given)
    return PROBLEMS if top.skipped else DONE


def _scanned(given: argparse.Namespace, pictures: PictureList) -> TopImages:
    from deepvis_toolbox.scan.ray_scan import scan_on_ray
    from deepvis_toolbox.scan.scanning import scan

    chosen: dict[str, Any] = {
        "layers": given.layers,
        "top": given.count,
        "bottom": given.bottom,
        "statistics": given.statistics,
        "correlations": not given.no_correlations,
        "held_out": given.held_out,
        "batch_size": given.batch_size,
        "checkpoint_every": given.checkpoint_every,
        "out": given.out,
        "accept_versions": given.accept_versions,
    }
    if given.ray:
        with progress_of(given, len(pictures), "scanning", "pictures") as progress:
            loading = {**loading_options(given), "trust": trusted_elsewhere(named_model(given))}
            place = {"loading": loading, "address": given.ray, "progress": progress}
            return scan_on_ray(named_model(given) or given.prototxt, pictures, **place, **chosen)
    shard = given.shard or (0, 1)
    with opened_network(given) as net, progress_of(given, len(pictures), "scanning", "pictures") as progress:
        return scan(net, pictures, workers=given.workers, shard=shard, progress=progress, **chosen)
