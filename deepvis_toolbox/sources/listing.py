"""Which pictures a folder or a text file names, in the order in which people sort."""

from __future__ import annotations

import codecs
import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

from deepvis_toolbox.errors import ToolboxError, os_reason_of
from deepvis_toolbox.regular_file import lines_of, read_regular
from deepvis_toolbox.sources.decode import PICTURE_SUFFIXES, begins_like_a_picture
from deepvis_toolbox.sources.many_bands import ARRAY_SUFFIX

MAX_LIST_BYTES = 1 << 29
_BLANKS = " \t"
_ENDINGS = (*PICTURE_SUFFIXES, ARRAY_SUFFIX)
_QUOTED = re.compile(r"""(?:"[^"]+"|'[^']+')([ \t]+)""")
_ENDED = re.compile(rf"(?<=.)\.(?:{'|'.join(ending[1:] for ending in _ENDINGS)})([ \t]+)", re.IGNORECASE)
"""A name in quotation marks, or the end of one without, and the blanks behind it."""


@dataclass(frozen=True)
class ListedPicture:
    """A picture file, not opened yet, and its class index where a list gives one."""

    path: Path
    label: int | None = None
    second: Path | None = None
    """The other one of a pair."""

    @property
    def name(self) -> str:
        """What it is called: a pair by both names."""
        return self.path.name if self.second is None else f"{self.path.name} + {self.second.name}"


def natural_order(name: str) -> tuple[list[str | int], str]:
    """Return a sort key that puts `img2` before `img10`, and does not mind capitals."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def folder_pictures(folder: Path) -> list[ListedPicture]:
    """Return the pictures directly in `folder`, in natural order; hidden files are left out.

    Told by their names' endings, or by their content where the name has none. Where there are none, the arrays of NumPy
    are the pictures.
    """
    try:
        with os.scandir(folder) as entries:
            every = [entry.name for entry in entries]
        names = [name for name in every if _is_picture(folder, name)] or [name for name in every if is_array_name(name)]
    except OSError as error:
        raise ToolboxError(f"the folder {folder} cannot be read: {os_reason_of(error)}") from error
    return [ListedPicture(folder / name) for name in sorted(names, key=natural_order)]


def evenly(pictures: list[ListedPicture], most: int) -> list[Path]:
    """Return the paths of the pictures, of more than `most` so many, evenly from all."""
    paths = [picture.path for picture in pictures]
    return paths if len(paths) <= most else [paths[len(paths) * place // most] for place in range(most)]


def read_picture_list(path: Path, folder: Path | None = None) -> list[ListedPicture]:
    """Return one picture a line: `FILE`, or `FILE CLASS_INDEX`, names in quotation marks or not; or on every line a
    pair, `FILE FILE`, between a tab or blanks.

    Empty lines and lines that begin with # say nothing. Files are relative to `folder`, by default the list's
    own. ToolboxError where it cannot be read or names nothing.
    """
    folder = path.parent if folder is None else folder
    pictures = [
        _listed(line.strip(_BLANKS), folder, f"{path}, line {number}")
        for number, line in enumerate(_lines(path), start=1)
        if line.strip(_BLANKS) and not line.lstrip(_BLANKS).startswith("#")
    ]
    if not pictures:
        raise ToolboxError(f'{path} names no pictures: write one file name a line, or "FILE CLASS_INDEX"')
    pairs = [picture.second is not None for picture in pictures]
    if any(pairs) and not all(pairs):
        alone, pair = pictures[pairs.index(False)], pictures[pairs.index(True)]
        raise ToolboxError(
            f"{path} names pairs ({pair.name}) and single pictures ({alone.name}): write two pictures on each line, "
            "or one; a name with blanks stands in quotation marks"
        )
    return pictures


def _is_picture(folder: Path, name: str) -> bool:
    return not name.startswith(".") and (is_picture_name(name) or is_unnamed_picture(folder / name))


def is_picture_name(name: str) -> bool:
    """Return whether a file's name, or a member's, ends as those of pictures do."""
    return name.lower().endswith(PICTURE_SUFFIXES)


def is_array_name(name: str) -> bool:
    """Return whether a file's name ends as that of an array of NumPy, and it is not hidden."""
    return name.lower().endswith(ARRAY_SUFFIX) and not name.startswith(".")


def is_unnamed_picture(path: Path) -> bool:
    """Return whether a file without any ending to its name is a picture by its content. Never waits for a pipe."""
    return "." not in path.name and begins_like_a_picture(path)


def _lines(path: Path) -> list[str]:
    """Return the lines of a text file in UTF-8 or, with a byte order mark, UTF-16; other bytes stand for themselves in
    names."""
    try:
        data = read_regular(path, MAX_LIST_BYTES)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise ToolboxError(f"{path} is {os_reason_of(error)}: that is no list of pictures") from error
        raise ToolboxError(f"{path} cannot be read: {os_reason_of(error)}") from error
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        if wide or not any(suffix.encode() in data.lower() for suffix in PICTURE_SUFFIXES):
            what = "is not a text file in UTF-8, so it cannot be read as a list of pictures"
            raise ToolboxError(f"{path} {what}") from error
        text = data.decode("utf-8-sig", errors="surrogateescape")
    return lines_of(text)


def _listed(line: str, folder: Path, where: str) -> ListedPicture:
    if "\0" in line:
        raise ToolboxError(f"{where}: a file name cannot contain a zero byte; is this a list of pictures?")
    name, _, last = line.replace("\t", " ").rpartition(" ")
    if not name or not re.fullmatch(r"[+-]?[0-9]{1,9}", last):
        return _one_or_pair(line, folder, None)
    if int(last) < 0:
        raise ToolboxError(f"{where}: the class index {last} is below 0")
    return _one_or_pair(line[: len(name)].rstrip(_BLANKS), folder, int(last))


def _one_or_pair(names: str, folder: Path, label: int | None) -> ListedPicture:
    """Return the picture of a name, or the pair of two: each in quotation marks, or both ending as pictures' do."""
    between = _between_two(names)
    if between is None:
        return ListedPicture(folder / _unquoted(names), label)
    end, begin = between
    return ListedPicture(folder / _unquoted(names[:end]), label, folder / _unquoted(names[begin:]))


def _between_two(names: str) -> tuple[int, int] | None:
    """Return where the first of two names ends and the second begins; None where there is one. A line may be of any
    length: no part of it is looked at again and again."""
    quoted = _QUOTED.match(names)
    if not quoted and not _ENDED.search(names):
        return None
    no_bare = [place for place in map(names.find, '"\t') if place >= 0]
    last_of_first = len(names) if quoted else 0 if names[:1] in ('"', "'") else min(no_bare, default=len(names))
    last = max(map(names.rfind, '"\t'))
    lower = names.lower()
    shortest = min((len(ending) for ending in _ENDINGS if lower.endswith(ending)), default=len(names))
    for found in [quoted] if quoted else _ENDED.finditer(names):
        end, begin = found.span(1)
        if end > last_of_first:
            return None
        mark = names[begin : begin + 1]
        if mark in ('"', "'"):
            is_one = begin + 2 < len(names) and names.find(mark, begin + 1) == len(names) - 1
        else:
            is_one = last < begin and len(names) - begin > shortest
        if is_one:
            return end, begin
    return None


def _unquoted(name: str) -> str:
    """Return a name without the quotation marks that programs put around names with blanks."""
    quoted = len(name) > 2 and name[0] == name[-1] and name[0] in "\"'"
    return name[1:-1] if quoted else name
