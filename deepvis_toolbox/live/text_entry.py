"""What is being typed into the window, as plain data."""

from __future__ import annotations

from typing import NamedTuple


class TextEntry(NamedTuple):
    """What is being typed to find something by its name."""

    text: str = ""
    chosen: int = 0
    """Which of the names that are listed, counted from 0."""
