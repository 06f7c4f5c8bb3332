"""Command: puts the parts of a scan together."""

from __future__ import annotations

from collections.abc import Sequence

from deepvis_toolbox.command_line.ending import DONE, PROBLEMS
from deepvis_toolbox.command_line.flags import add_talk_flags
from deepvis_toolbox.command_line.parser import CommandParser
from deepvis_toolbox.command_line.talking import begin_talking


def parser() -> CommandParser:
    """Return the command's flags."""
    parser = CommandParser(
        "deepvis-merge",
        "Puts the parts of a scan (--shard) together, to the bytes of the whole scan.",
        [
            ("part0 part1 part2 part3 --out maxes/", ""),
            ("parts/* --partial --out maxes/", "although some are not done yet"),
        ],
    )
    pictures = parser.group("pictures in", "parts in")
    pictures.add_argument("parts", nargs="+", metavar="PART", help="a folder that a scan with --shard wrote")
    pictures.add_argument("--partial", action="store_true", help="merge although parts are missing")
    results = parser.group("results out")
    results.add_argument("--out", required=True, metavar="DIR", help="where the whole is written")
    add_talk_flags(parser, json="what was merged")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Merge as the arguments say."""
    given = parser().parse_args(arguments)
    begin_talking(given)
    from deepvis_toolbox.scan.cli.scan_summary import report
    from deepvis_toolbox.scan.merging import merge

    top = merge(given.parts, given.out, given.partial)
    report(top, given)
    return PROBLEMS if top.skipped else DONE
