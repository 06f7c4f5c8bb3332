"""`--extend FILE.py`, on every command: a file of the user's own that adds sources, modes, regularizers, …"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from deepvis_toolbox.extensions import FLAG, load_extension


class _Extend(argparse.Action):
    """Imports the file, unless `run_command` has done so before the parser was made, as it does in every command."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002
        namespace: argparse.Namespace,  # noqa: ARG002
        values: str | Sequence[Any] | None,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        load_extension(str(values))


def add_extend_flag(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add the flag to a command's parser."""
    parser.add_argument(
        FLAG,
        action=_Extend,
        default=argparse.SUPPRESS,
        metavar="FILE.py",
        help="a Python file of your own; what it registers is listed in this help; may be given more than once",
    )
