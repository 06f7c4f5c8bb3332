"""Command: puts the parts of a scan together (`find_max_acts --shard`), to the bytes of the whole scan."""

from __future__ import annotations

import argparse
import sys

from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.scan.merging import merge


def main() -> int:
    """Merges as the arguments say."""
    parser = argparse.ArgumentParser(prog="deepvis-merge", description=__doc__)
    parser.add_argument("parts", nargs="+", metavar="PART", help="a folder that find_max_acts --shard wrote")
    parser.add_argument("--out", required=True, metavar="DIR", help="where the whole is written")
    parser.add_argument("--partial", action="store_true", help="merge although parts are missing")
    options = parser.parse_args()
    top = merge(options.parts, options.out, options.partial)
    print(f"{options.out}: {top.index.total} units over {top.pictures_read} pictures")
    return 0


def run() -> None:
    """`deepvis-merge`."""
    sys.exit(run_command(main))
