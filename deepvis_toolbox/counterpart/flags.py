"""The flags that name another network, and pictures over which its units are matched."""

from __future__ import annotations

from typing import Any


def add_comparison_flags(group: Any, shown: str) -> None:
    """Add `--compare` and `--probe`; `shown`: what is done with the other network, for the help."""
    group.add_argument("--compare", metavar="NAME_OR_WEIGHTS",
                       help="open another network beside it, as --model names one, or the same one with other "
                       f"weights, and {shown}")  # fmt: skip
    group.add_argument("--probe", metavar="DIR",
                       help="match the units of both by how they go together over a folder of pictures")  # fmt: skip
