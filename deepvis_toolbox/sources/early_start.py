"""Starts the processes that will decode what the inputs name, while the rest of the program is imported."""

from __future__ import annotations

import os
from collections.abc import Sequence

from deepvis_toolbox.shown_text import is_url

FILM_ENDINGS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".ogv", ".wmv", ".mjpeg")
"""Others, too, may be films: their process starts when they are opened."""


def begin_decoding(inputs: Sequence[str]) -> None:
    """Start what `inputs`, as they are written after `--input`, are going to need."""
    films = {source for source in inputs if is_url(source) or source.lower().endswith(FILM_ENDINGS)}
    if films:
        from deepvis_toolbox.sources import film_process

        film_process.begin()
    if any(os.path.exists(source) for source in {*inputs} - films):  # noqa: PTH110 - odd names are none
        from deepvis_toolbox.sources import picture_process

        picture_process.begin()
