"""Tells pictures, lists and videos apart by a file's first bytes and its name's ending."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from deepvis_toolbox.sources.decode import PICTURE_SUFFIXES, begins_like_a_picture
from deepvis_toolbox.sources.many_bands import ARRAY_SUFFIX

FileKind = Literal["picture", "list", "video"]


def file_kind(path: Path) -> FileKind | None:
    """Return what the file is most likely to be; None where `path` is not a file. Whether it is sound shows on
    opening."""
    if not _is_file(path):
        return None
    if path.suffix.lower() in (".txt", ".lst"):
        return "list"
    if path.suffix.lower() in (".mjpg", ".mjpeg"):  # a video that begins like a picture
        return "video"
    is_named = path.name.lower().endswith((*PICTURE_SUFFIXES, ARRAY_SUFFIX))
    return "picture" if is_named or begins_like_a_picture(path) else "video"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have, or a folder that may not be entered
        return False
