"""What a scan, or the merging of its parts, says at the end."""

from __future__ import annotations

import argparse
import sys

from deepvis_toolbox.command_line.talking import print_json
from deepvis_toolbox.scan.top_images import TopImages

MOST_NAMED = 10


def report(top: TopImages, given: argparse.Namespace) -> None:
    """Print what came of it: what was skipped on stderr, one line on stdout; with `--json`, all of it as JSON."""
    skipped = top.skipped
    if given.json:
        reasons = {top.pictures.path(index): reason for index, reason in skipped.items()}
        layers = list(top.layers)
        print_json({
            "out": given.out, "pictures": top.pictures_read, "units": top.index.total, "layers": layers,
            "skipped": reasons,
        })  # fmt: skip
        return
    for index, reason in list(skipped.items())[:MOST_NAMED]:
        print(f"skipped {top.pictures.path(index)}: {reason}", file=sys.stderr)
    if len(skipped) > MOST_NAMED:
        print(f"… and {len(skipped) - MOST_NAMED} more; all are in {given.out}/manifest.json", file=sys.stderr)
    print(f"{given.out}: {top.index.total} units of {len(top.layers)} layers, {top.pictures_read} pictures")
