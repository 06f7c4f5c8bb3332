"""The view that a screenshot was taken of, out of its metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import TypeAdapter

from deepvis_toolbox.checked_json import checked
from deepvis_toolbox.errors import ToolboxError, os_reason_of, reason_of
from deepvis_toolbox.live.pictures.screenshot import METADATA_KEY
from deepvis_toolbox.live.state import View
from deepvis_toolbox.live.view_record import view_from
from deepvis_toolbox.regular_file import open_regular

MOST_METADATA = 16 << 20
"""Characters: edits with all the values that were pasted."""
_METADATA = TypeAdapter(dict[str, Any])


def restored(path: Path) -> tuple[View, str]:
    """Return the view that a screenshot shows, and the address of its unit (empty where none was shown).

    Nothing else of the metadata is used: it may name a network, but a picture never says what is opened. Raises
    `ToolboxError` for a file that is no screenshot of this program, and for one whose metadata is damaged.
    """
    described = _metadata(path)
    record, unit = described.get("view"), described.get("unit", "")
    if not isinstance(record, dict) or not isinstance(unit, str):
        raise ToolboxError(f"{path} was saved by a version that kept no view; only newer screenshots can be restored")
    try:
        return view_from(record), unit
    except ToolboxError as error:
        raise ToolboxError(f"{path}: its metadata is damaged: {error}") from None


def _metadata(path: Path) -> dict[str, Any]:
    try:
        with open_regular(path) as file, Image.open(file, formats=["PNG"]) as picture:
            text = getattr(picture, "text", {}).get(METADATA_KEY)
    except OSError as error:
        raise ToolboxError(f"{path} cannot be restored: {_why(error)}") from None
    except (ValueError, SyntaxError):  # what Pillow says of damaged or huge chunks
        raise ToolboxError(f"{path} cannot be restored: the PNG is damaged") from None
    if text is None:
        raise ToolboxError(f"{path} is no screenshot of this program: it has no metadata; give one that p saved")
    try:
        if len(text) > MOST_METADATA:
            raise ValueError(f"more than {MOST_METADATA >> 20} MiB")
        return checked(text, _METADATA)
    except ValueError as error:
        raise ToolboxError(f"{path}: its metadata is damaged: {reason_of(error)}") from None


def _why(error: OSError) -> str:
    return os_reason_of(error) if error.errno else "it is no PNG"
