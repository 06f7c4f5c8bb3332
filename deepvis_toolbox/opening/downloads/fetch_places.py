"""Where `--fetch` may write: below the model's folder, under plain names, and through no link."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.shown_text import escaped

RECORD = "fetched/hashes.json"
"""Beside the model.yaml: the hashes of what was fetched, compared when there is no published one."""
SEEN = "fetched/seen.json"
"""Beside it: size, time and place on the disk of files whose hash was compared when they were opened."""
LONGEST_NAME = 200
"""Bytes of one name; systems take 255, and a partial file has a longer one."""
LONGEST_PATH = 1000
DEEPEST = 50


def place_inside(folder: Path, relative: str) -> Path:
    """Return a path below the model's folder to write to; nothing of it need be there.

    `ToolboxError` where it leaves the folder, has a name that is not plain, or leads through a link: a model.yaml may
    not write anywhere else. Its last part may be a link, which a user has put there: it is read, never written.
    """
    parts = PurePosixPath(relative).parts
    path = folder.joinpath(*parts)
    if not parts or ".." in parts or PurePosixPath(relative).is_absolute() or not path.is_relative_to(folder):
        raise ToolboxError(f'the model.yaml in {folder} asks to write "{relative}", which lies outside its folder')
    if problem := problem_of_name(relative) or ("begins with a dot" if any(p[0] == "." for p in parts) else ""):
        raise ToolboxError(f'the model.yaml in {folder} asks to write "{relative[:60]}": the name {problem}')
    if path in (folder / RECORD, folder / SEEN):
        raise ToolboxError(f'the model.yaml in {folder} asks to write "{relative}", where the hashes are kept')
    check_ways(folder, path.parent)
    return path


def place_of_record(folder: Path) -> Path:
    """Return where the hashes are kept; `ToolboxError` where that leads elsewhere."""
    path = folder / RECORD
    check_ways(folder, path.parent)
    if path.is_symlink():
        raise ToolboxError(f'"{path}" is a link, and nothing is written through links; remove it')
    return path


def check_ways(folder: Path, place: Path) -> None:
    """Refuse a place at or below `folder` that is reached through a link, or through what is no folder."""
    for way in (place, *place.parents):
        if way == folder:
            return
        if way.is_symlink():
            raise ToolboxError(f'"{way}" is a link, and nothing is written through links; put a folder in its place')
        if os.path.lexists(way) and not way.is_dir():
            raise ToolboxError(f'"{way}" is in the way: it is not a folder; move it away')


def problem_of_name(relative: str) -> str:
    """Return what is wrong with a path in a model.yaml or an archive, as `the name …` goes on; else an empty text."""
    parts = PurePosixPath(relative).parts
    if escaped(relative) != relative or "\\" in relative:
        return "holds a character that no plain name has"
    if len(parts) > DEEPEST:
        return f"lies in folders {len(parts)} deep; more than {DEEPEST} are not made"
    if len(relative.encode()) > LONGEST_PATH or any(len(part.encode()) > LONGEST_NAME for part in parts):
        return f"is too long; more than {LONGEST_NAME} bytes, {LONGEST_PATH} with its folders, are not taken"
    return ""
