"""The pictures over which the units of two networks are matched."""

from __future__ import annotations

from pathlib import Path

from deepvis_toolbox.errors import ToolboxError, shown_path
from deepvis_toolbox.sources.listing import evenly, folder_pictures

PICTURES = 200
"""So many of a folder are looked at, spread evenly over it."""


def probe_pictures(folder: Path) -> list[Path]:
    """Return the pictures of a folder that are looked at; `ToolboxError` where it has fewer than two."""
    found = folder_pictures(folder)
    if len(found) < 2:
        raise ToolboxError(f"--probe {shown_path(folder)}: units are matched over pictures, and it has {len(found)}")
    return evenly(found, PICTURES)
