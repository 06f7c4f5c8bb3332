"""The pictures in an archive, and in the archives within it, with the class indices that lie beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.scan.pictures.archives import (
    FOREIGN_SUFFIXES,
    PACKED_SUFFIXES,
    SEPARATOR,
    Members,
    is_archive_name,
    open_archive,
    open_inner,
    opened_member,
    read_member,
)
from deepvis_toolbox.scan.pictures.folder_walk import is_of_the_system
from deepvis_toolbox.scan.pictures.left_out import LeftOut
from deepvis_toolbox.scan.pictures.unpacking_budget import UnpackingError
from deepvis_toolbox.sources.decode import begins_like_a_picture
from deepvis_toolbox.sources.listing import is_picture_name

NO_LABEL = -1
_CLASS_INDEX = re.compile(r"[0-9]{1,9}")
"""As in list files."""
_LONGEST_INDEX = 1000
"""Bytes of a file with a class index; many pictures may share one."""


def archive_pictures(path: Path, relative: str, notes: list[str]) -> Iterator[tuple[str, int]]:
    """Yield the pictures of an archive as (name below `relative`, class index or -1), in its order.

    Those of an archive within it stand in its place. What is left out is said in `notes`. `ToolboxError` where the
    archive cannot be read at all, or takes too long to look through.
    """
    archive = open_archive(path)
    try:
        if path.name.lower().endswith(PACKED_SUFFIXES):
            notes.append(f'"{path}" is compressed: its pictures are read slowly; a plain .tar or a .zip is faster')
        yield from _pictures(archive, f'"{path}"', relative, notes, is_outermost=True)
        archive.budget.spend(0)  # also where the last member was the one that took too much
    except UnpackingError as error:
        raise ToolboxError(f'the archive "{path}" cannot be read: {error}') from None
    finally:
        archive.close()


def _pictures(
    archive: Members, what: str, relative: str, notes: list[str], is_outermost: bool
) -> Iterator[tuple[str, int]]:
    notes += [f"{what} {note}" for note in archive.notes]
    names = archive.names()
    classes = {name[: -len(".cls")] for name in names if name.endswith(".cls")}
    unlabelled: list[str] = []
    left_out, of_the_system = LeftOut(), 0
    for name in names:
        archive.budget.spend(0)  # where it is used up, no member can be looked into
        is_archive = is_archive_name(name) or name.lower().endswith(FOREIGN_SUFFIXES)
        if is_of_the_system(name):
            of_the_system += is_archive or is_picture_name(name)
        elif left_out.hides(name) or left_out.does_not_read(name):
            continue
        elif is_picture_name(name) or _is_unnamed_picture(archive, name):
            label = NO_LABEL
            try:
                label = _label_beside(archive, name, classes)
            except ToolboxError as error:
                unlabelled.append(f"{name}: {error}")
            yield f"{relative}{SEPARATOR}{name}", label
        elif is_outermost and is_archive_name(name):
            yield from _inner_pictures(archive, name, what, relative, notes)
        elif is_archive:
            why = "too deep" if is_archive_name(name) else "not of a kind that is read in place"
            notes.append(f'the archive "{name}" within {what} is {why}: unpack it first')
    notes += [f"{what}: {note}" for note in left_out.notes()]
    if of_the_system:
        notes.append(f"{what}: {of_the_system} files that a system put beside pictures (__MACOSX, ._…) are left out")
    if unlabelled:
        notes.append(f"{what}: {len(unlabelled)} class indices cannot be read; the first, of {unlabelled[0]}")


def _is_unnamed_picture(archive: Members, name: str) -> bool:
    """Return whether a member without any ending to its name is a picture by its content."""
    if "." in name.rpartition("/")[2]:
        return False
    file = opened_member(archive, name)
    return file is not None and begins_like_a_picture(file)


def _inner_pictures(outer: Members, name: str, what: str, relative: str, notes: list[str]) -> Iterator[tuple[str, int]]:
    try:
        inner = open_inner(outer, name)
    except ToolboxError as error:
        notes.append(f"{what}: {error}")
        return
    try:
        yield from _pictures(inner, f'"{name}" within {what}', f"{relative}{SEPARATOR}{name}", notes, False)
    finally:
        inner.close()


def _label_beside(archive: Members, name: str, classes: set[str]) -> int:
    """Return the class index in the picture's `.cls` file, -1 where there is none. `ToolboxError` where it cannot be
    read."""
    folder, slash, base = name.rpartition("/")
    key = folder + slash + base.partition(".")[0]
    if key not in classes:
        return NO_LABEL
    text = read_member(archive, f"{key}.cls", _LONGEST_INDEX).decode(errors="replace").strip()
    if not _CLASS_INDEX.fullmatch(text):
        raise ToolboxError(f'"{text[:20]}" is no class index')
    return int(text)
