"""Opens a source from what a user wrote after `--input`, or says in one sentence why not."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from deepvis_toolbox.errors import ToolboxError, nearest_name
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.registry import SOURCES
from deepvis_toolbox.sources.source import Source


def open_source(text: str, options: SourceOptions | None = None) -> Source:
    """Return the source that `text` means: `camera:0`, `demo`, a picture, a video, a folder, a list, a URL.

    Raises ToolboxError for anything else and for what cannot be opened; takes some seconds at most.
    """
    text = os.path.expanduser(text.strip())  # noqa: PTH111 - Path would mangle URLs
    for kind in SOURCES.values():
        if kind.claims(text):
            return kind.open(text, options or SourceOptions())
    raise ToolboxError(_why_not(text))


def _why_not(text: str) -> str:
    forms = ", ".join(SOURCES)
    if not text:
        return f"the input is empty: give one of {forms}"
    if text.isdecimal():
        return f'there is no file "{text}"; a camera is written camera:{text}'
    if os.path.lexists(text):
        return f"{text} is neither a file nor a folder that can be read: give one of {forms}"
    path = Path(text)
    if not os.path.isdir(path.parent):  # noqa: PTH112 - answers False to names no system can have
        return f'there is no folder "{path.parent}", so no input "{text}": give one of {forms}'
    hint = nearest_name(path.name, [*_names_beside(path), *("demo", "camera:0")])
    return f'there is no file or folder "{text}"{hint}; an input is one of {forms}'


def _names_beside(path: Path) -> list[str]:
    try:
        with os.scandir(path.parent) as entries:  # the first few: in a data set, comparing all would take minutes
            return [entry.name for entry in islice(entries, 2000)]
    except OSError:
        return []
