"""Which pictures a scan looks at, in a fixed order: a folder with archives in it, or a list file."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from deepvis_toolbox.errors import ToolboxError, os_reason_of
from deepvis_toolbox.scan.pictures.archives import (
    COMPRESSED_SUFFIXES,
    SEPARATOR,
    Members,
    is_archive,
    open_archive,
    read_member,
)
from deepvis_toolbox.scan.pictures.remote_files import is_url, list_url
from deepvis_toolbox.sources.decode import PICTURE_SUFFIXES
from deepvis_toolbox.sources.listing import read_picture_list

NO_LABEL = -1
_CLASS_INDEX = re.compile(r"[0-9]{1,9}")
"""As in list files."""


@dataclass(frozen=True)
class PictureList:
    """Pictures by name, and their class indices where known. A name inside an archive is `archive.tar::member`.

    `names` are relative to `root`; an empty root means that they are paths as they stand.
    """

    names: tuple[str, ...]
    labels: tuple[int, ...]
    """-1 where there is none."""
    root: str = ""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What was left out on the way, a sentence each."""

    @classmethod
    def of_paths(cls, paths: Sequence[str | Path], labels: Sequence[int | None] | None = None) -> PictureList:
        """The list of given paths, with a label each or none at all."""
        if labels is not None and len(labels) != len(paths):
            raise ToolboxError(f"{len(paths)} pictures but {len(labels)} labels")
        known = [NO_LABEL if label is None else int(label) for label in labels] if labels is not None else None
        return cls(tuple(map(str, paths)), tuple(known or [NO_LABEL] * len(paths)))

    def __len__(self) -> int:
        return len(self.names)

    def path(self, index: int) -> str:
        """Where a picture is."""
        return os.path.join(self.root, self.names[index]) if self.root else self.names[index]  # noqa: PTH118

    @property
    def paths(self) -> list[str]:
        """Where the pictures are, in order."""
        return [self.path(index) for index in range(len(self))]

    @cached_property
    def hash(self) -> str:
        """SHA-256 of names and labels, in hexadecimal: tells one list from another, wherever its root is."""
        digest = hashlib.sha256()
        for name, label in zip(self.names, self.labels, strict=True):
            digest.update(f"{name}\t{label}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()


def list_pictures(images: str | Path, list_file: str | Path | None = None) -> PictureList:
    """The pictures below a folder, sorted by name, and those in tar and zip archives in it, in the archives' order.

    `list_file`: only these, in the list's order: a path below the folder and optionally a class index a line. In
    archives, a `.cls` file beside a picture (WebDataset) gives its class index. `images` may also be one archive, or a
    URL of an object store.
    `ToolboxError` where there is nothing to look at.
    """
    if is_url(str(images)):
        return _from_url(str(images).rstrip("/"), list_file)
    root = Path(images).expanduser().absolute()
    if list_file is not None:
        return _from_list(str(root), Path(list_file).expanduser())
    try:
        is_folder = stat.S_ISDIR(root.stat().st_mode)
    except FileNotFoundError:
        raise ToolboxError(f'the folder of pictures "{images}" does not exist') from None
    except OSError as error:
        raise ToolboxError(f'the folder of pictures "{images}" cannot be read: {os_reason_of(error)}') from error
    notes: list[str] = []
    found = list(_below(root, notes) if is_folder else _members_of(root, root.name, notes))
    if not found:
        explained = f" ({notes[0]})" if notes else f"; their names end in {', '.join(PICTURE_SUFFIXES[:5])}, …"
        raise ToolboxError(f'"{images}" holds no pictures{explained}')
    names, labels = zip(*found, strict=True)
    return PictureList(names, labels, str(root if is_folder else root.parent), tuple(notes))


def _from_url(url: str, list_file: str | Path | None) -> PictureList:
    if list_file is not None:
        return _from_list(url, Path(list_file).expanduser())
    names = tuple(name for name in list_url(url) if name.lower().endswith(PICTURE_SUFFIXES))
    if not names:
        raise ToolboxError(f'"{url}" holds no pictures')
    return PictureList(names, (NO_LABEL,) * len(names), url)


def _from_list(root: str, list_file: Path) -> PictureList:
    listed = read_picture_list(list_file.absolute(), Path())  # as they stand there: relative ones are below the images
    names = tuple(str(picture.path) for picture in listed)
    labels = tuple(NO_LABEL if picture.label is None else picture.label for picture in listed)
    return PictureList(names, labels, root)


def _below(root: Path, notes: list[str]) -> Iterator[tuple[str, int]]:
    def unreadable(error: OSError) -> None:
        notes.append(f'the folder "{error.filename}" cannot be read: {os_reason_of(error)}')

    for folder, subfolders, names in os.walk(root, onerror=unreadable):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            if name.lower().endswith(PICTURE_SUFFIXES):
                yield relative, NO_LABEL
            elif is_archive(path):
                yield from _noted(path, relative, notes)
            elif name.lower().endswith(COMPRESSED_SUFFIXES):
                notes.append(f'"{path}" is compressed and cannot be read in place; make it a plain .tar or a .zip')


def _noted(path: Path, relative: str, notes: list[str]) -> Iterator[tuple[str, int]]:
    try:
        yield from _members_of(path, relative, notes)
    except ToolboxError as error:
        notes.append(str(error))


def _members_of(path: Path, relative: str, notes: list[str]) -> Iterator[tuple[str, int]]:
    if not is_archive(path):
        raise ToolboxError(f'"{path}" is neither a folder nor a .tar or .zip archive; give the folder of pictures')
    archive = open_archive(path)
    unlabelled: list[str] = []
    try:
        names = archive.names()
        classes = {name[: -len(".cls")] for name in names if name.endswith(".cls")}
        for name in names:
            if name.lower().endswith(PICTURE_SUFFIXES):
                label = NO_LABEL
                try:
                    label = _label_beside(archive, name, classes)
                except ToolboxError as error:
                    unlabelled.append(f"{name}: {error}")
                yield f"{relative}{SEPARATOR}{name}", label
    finally:
        archive.close()
    if unlabelled:
        notes.append(f'"{path}": {len(unlabelled)} class indices cannot be read; the first, of {unlabelled[0]}')


def _label_beside(archive: Members, name: str, classes: set[str]) -> int:
    """The class index in the picture's `.cls` file, -1 where there is none. `ToolboxError` where it cannot be read."""
    folder, slash, base = name.rpartition("/")
    key = folder + slash + base.partition(".")[0]
    if key not in classes:
        return NO_LABEL
    text = read_member(archive, f"{key}.cls").decode(errors="replace").strip()
    if not _CLASS_INDEX.fullmatch(text):
        raise ToolboxError(f'"{text[:20]}" is no class index')
    return int(text)
