"""Which pictures a folder or a text file names, in the order in which people sort."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from deepvis_toolbox.errors import ToolboxError, os_reason_of
from deepvis_toolbox.sources.decode import PICTURE_SUFFIXES

MAX_LIST_BYTES = 1 << 29


@dataclass(frozen=True)
class ListedPicture:
    """A picture file, not opened yet, and its class index where a list gives one."""

    path: Path
    label: int | None = None


def natural_order(name: str) -> tuple[list[str | int], str]:
    """A sort key that puts `img2` before `img10`, and does not mind capitals."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def folder_pictures(folder: Path) -> list[ListedPicture]:
    """The pictures directly in `folder`, told by their names' endings, in natural order; hidden files are left out."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if _is_picture_name(entry.name)]
    except OSError as error:
        raise ToolboxError(f"the folder {folder} cannot be read: {os_reason_of(error)}") from error
    return [ListedPicture(folder / name) for name in sorted(names, key=natural_order)]


def read_picture_list(path: Path, folder: Path | None = None) -> list[ListedPicture]:
    """One picture a line: `FILE`, or `FILE CLASS_INDEX`. Empty lines and lines that begin with # say nothing.

    Files are relative to `folder`, by default the list's own. ToolboxError where it cannot be read or names nothing.
    """
    folder = path.parent if folder is None else folder
    pictures = [
        _listed(line.strip(), folder, f"{path}, line {number}")
        for number, line in enumerate(_lines(path), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not pictures:
        raise ToolboxError(f'{path} names no pictures: write one file name a line, or "FILE CLASS_INDEX"')
    return pictures


def _is_picture_name(name: str) -> bool:
    return not name.startswith(".") and name.lower().endswith(PICTURE_SUFFIXES)


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > MAX_LIST_BYTES:
            raise ToolboxError(f"{path} is larger than {MAX_LIST_BYTES >> 20} MiB: that is no list of pictures")
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ToolboxError(f"{path} is not a text file in UTF-8, so it cannot be read as a list of pictures") from error
    except OSError as error:
        raise ToolboxError(f"{path} cannot be read: {os_reason_of(error)}") from error


def _listed(line: str, folder: Path, where: str) -> ListedPicture:
    if "\0" in line:
        raise ToolboxError(f"{where}: a file name cannot contain a zero byte; is this a list of pictures?")
    name, _, last = line.replace("\t", " ").rpartition(" ")
    if not name or not re.fullmatch(r"[+-]?[0-9]{1,9}", last):
        return ListedPicture(folder / line)
    if int(last) < 0:
        raise ToolboxError(f"{where}: the class index {last} is below 0")
    return ListedPicture(folder / name.rstrip(), int(last))
