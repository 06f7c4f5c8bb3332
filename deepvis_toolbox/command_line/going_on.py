"""Whether long work may begin: asked on a terminal, and answered beforehand by `--yes` everywhere else."""

from __future__ import annotations

import sys

from deepvis_toolbox.command_line.parser import CommandParser, add_flag
from deepvis_toolbox.errors import ToolboxError

SECONDS_UNASKED = 3600.0
"""What takes longer is asked about."""
LESS = "name fewer units with --units or --layers"


def add_yes_flag(parser: CommandParser) -> None:
    """Add `--yes`."""
    add_flag(parser.group("method"), "--yes", action="store_true",
             help="begin without asking, however long it takes (asked: beyond an hour)")  # fmt: skip


def may_go_on(seconds: float, spoken: str, answered: bool, less: str = LESS) -> bool:
    """Return whether work of so many `seconds` is wanted; `spoken` is that time as people say it.

    `answered`: `--yes` was given. `less`: what else one can do. Raises `ToolboxError` where there is nobody to
    ask: no terminal.
    """
    if answered or seconds <= SECONDS_UNASKED:
        return True
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        raise ToolboxError(f"this would take about {spoken}; give --yes to make it all the same, or {less}")
    print(f"This takes about {spoken}. Begin? [y/N] (--yes answers beforehand) ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
