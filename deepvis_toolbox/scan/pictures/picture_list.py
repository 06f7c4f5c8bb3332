"""Which pictures a scan looks at, in a fixed order: a folder with archives in it, or a list file."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from deepvis_toolbox.errors import ToolboxError, os_reason_of, user_path
from deepvis_toolbox.scan.pictures.archive_listing import NO_LABEL, archive_pictures
from deepvis_toolbox.scan.pictures.archives import ARCHIVE_SUFFIXES, FOREIGN_SUFFIXES, is_archive_name, split_member
from deepvis_toolbox.scan.pictures.folder_walk import FolderWalk, is_of_the_system
from deepvis_toolbox.scan.pictures.left_out import LeftOut
from deepvis_toolbox.scan.pictures.remote_files import is_url, list_url
from deepvis_toolbox.shown_text import without_secrets
from deepvis_toolbox.sources.decode import PICTURE_SUFFIXES
from deepvis_toolbox.sources.file_kind import file_kind
from deepvis_toolbox.sources.listing import is_array_name, is_picture_name, is_unnamed_picture, read_picture_list
from deepvis_toolbox.sources.pairs import PAIR

MOST_LABEL = 2**63 - 1


@dataclass(frozen=True)
class PictureList:
    """Pictures by name, and their class indices where known. A name inside an archive is `archive.tar::member`; the
    two names of a pair have `PAIR` between them.

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
        """Return the list of given paths, with a label each or none at all."""
        if labels is not None and len(labels) != len(paths):
            raise ToolboxError(f"{len(paths)} pictures but {len(labels)} labels")
        known = [NO_LABEL] * len(paths) if labels is None else [_class_index(label) for label in labels]
        return cls(tuple(map(str, paths)), tuple(known))

    def __len__(self) -> int:
        return len(self.names)

    def path(self, index: int) -> str:
        """Return where a picture is."""
        name = self.names[index]
        return PAIR.join(os.path.join(self.root, part) for part in name.split(PAIR)) if self.root else name  # noqa: PTH118

    @property
    def paths(self) -> list[str]:
        """Where the pictures are, in order."""
        return [self.path(index) for index in range(len(self))]

    @property
    def kept_root(self) -> str:
        """The root as a result keeps it: of an address, without name and password."""
        return without_secrets(self.root) if is_url(self.root) else self.root

    @property
    def addresses(self) -> Iterator[str]:
        """The pictures that are asked of a host."""
        return filter(is_url, self.names if not is_url(self.root) else self.paths)

    def moved_to(self, images: str | Path) -> PictureList:
        """Return the list where `images` says that its pictures are now: a folder, an archive or a list as for a
        scan, or a URL.

        `ToolboxError` where none of them is there.
        """
        if is_url(str(images)):
            return self.below(str(images).rstrip("/"))
        place = user_path(images)
        return self.below(str(place.absolute().parent if file_kind(place) == "list" else _root_of(images)))

    def below(self, root: str) -> PictureList:
        """Return the list with its names relative to `root`. `ToolboxError` where none of the pictures is there."""
        moved = replace(self, root=root)
        if not is_url(root) and not any(map(_is_there, map(moved.path, range(len(self))))):
            raise ToolboxError(
                f'none of the {len(self)} pictures is below "{root}"; the first would be {moved.path(0)}'
            )
        return moved

    def without(self, folder: Path) -> PictureList:
        """Return the list without the pictures that lie in a folder, links followed; the same list if none do."""
        inside = os.path.realpath(folder)

        @cache
        def is_inside(place: str) -> bool:
            return os.path.commonpath([inside, os.path.realpath(place)]) == inside

        if is_url(self.root):
            return self
        folders = (os.path.dirname(path.split(PAIR)[0]) for path in self.paths)  # noqa: PTH120
        kept = [index for index, place in enumerate(folders) if not is_inside(place)]
        return self if len(kept) == len(self) else self.only(kept)

    def only(self, indices: Iterable[int]) -> PictureList:
        """Return the list of these of its pictures."""
        kept = list(indices)
        names, labels = tuple(self.names[index] for index in kept), tuple(self.labels[index] for index in kept)
        return replace(self, names=names, labels=labels)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of names and labels, in hexadecimal: tells one list from another, wherever its root is."""
        digest = hashlib.sha256()
        for name, label in zip(self.names, self.labels, strict=True):
            digest.update(f"{name}\t{label}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()


def given_list(paths: object, labels: Iterable[int | None] | None = None) -> PictureList:
    """Return the list that a call was given: a `PictureList`, picture files in any iterable, or the name of a folder.

    A lone path is a folder or an archive (see `list_pictures`), a list file, or one picture; a `Path.glob` is a list.
    `ToolboxError` for what is none of these.
    """
    labels = None if labels is None else list(labels)
    if isinstance(paths, PictureList):
        if labels is not None:
            raise ToolboxError("a PictureList has labels of its own; give labels with a list of paths")
        return paths
    if isinstance(paths, str | Path):
        return _of_lone_path(paths, labels)
    try:
        listed = list(paths)  # type: ignore[call-overload]
    except TypeError:
        raise ToolboxError(f"pictures are given as a folder or as a list of paths, not as {paths!r}") from None
    for path in listed:
        if not isinstance(path, str | Path):
            raise ToolboxError(f"pictures are given by their paths; {path!r} is none")
    return PictureList.of_paths(listed, labels)


def _class_index(label: Any) -> int:
    """Return a label as a list knows it: `ToolboxError` where it is no whole number, 0 or more, and not None."""
    if label is None:
        return NO_LABEL
    try:
        index = int(label)
        if index == label and NO_LABEL <= index <= MOST_LABEL:
            return index
    except (TypeError, ValueError, OverflowError):
        pass
    raise ToolboxError(f"a label is {label!r}; labels are class indices, whole numbers from 0, or None")


def _is_there(path: str) -> bool:
    """Return whether there is such a file, or an archive that may hold such a member; of a pair, its first."""
    path = path.split(PAIR)[0]
    inside = split_member(path)
    return os.path.exists(path) or (inside is not None and os.path.isfile(inside[0]))  # noqa: PTH110, PTH113


def _of_lone_path(path: str | Path, labels: list[int | None] | None) -> PictureList:
    place = user_path(path)
    kind = "folder" if is_url(str(path)) or place.is_dir() else file_kind(place)
    if kind == "picture" or (kind != "list" and is_unnamed_picture(place)):
        return PictureList.of_paths([place], labels)
    if labels is not None:
        raise ToolboxError(f'labels are one for each picture; give the paths in "{path}" one by one with them')
    return list_pictures(place.absolute().parent, place) if kind == "list" else list_pictures(path)


def list_pictures(images: str | Path, list_file: str | Path | None = None) -> PictureList:
    """Return the pictures below a folder, sorted by name, and those in tar and zip archives in it, in the archives'
    order.

    Files without an ending to their names are told by their content. Links to folders are followed.

    `list_file`: only these, in the list's order: a path below the folder and optionally a class index a line. In
    archives, a `.cls` file beside a picture (WebDataset) gives its class index. `images` may also be one archive, or a
    URL of an object store.
    `ToolboxError` where there is nothing to look at.
    """
    if is_url(str(images)):
        return _from_url(str(images).rstrip("/"), list_file)
    if list_file is not None:
        return _from_list(str(user_path(images).absolute()), user_path(list_file))
    place, root = user_path(images).absolute(), _root_of(images)
    notes: list[str] = []
    found = list(_below(place, notes) if place == root else archive_pictures(place, place.name, notes))
    if not found and place == root:
        found = [(name, NO_LABEL) for name in FolderWalk(str(place)).files() if is_array_name(Path(name).name)]
    if not found:
        explained = f" ({notes[0]})" if notes else f"; their names end in {', '.join(PICTURE_SUFFIXES[:5])}, …"
        raise ToolboxError(f'"{images}" holds no pictures{explained}')
    names, labels = zip(*found, strict=True)
    return PictureList(names, labels, str(root), tuple(notes))


def _root_of(images: str | Path) -> Path:
    """Return what the names of a folder's pictures, or of an archive's, are relative to. `ToolboxError` where it is
    neither."""
    place = user_path(images).absolute()
    try:
        if stat.S_ISDIR(place.stat().st_mode):
            return place
    except FileNotFoundError:
        raise ToolboxError(f'the folder of pictures "{images}" does not exist') from None
    except OSError as error:
        raise ToolboxError(f'the folder of pictures "{images}" cannot be read: {os_reason_of(error)}') from error
    if not is_archive_name(place.name):
        kinds = f"{', '.join(ARCHIVE_SUFFIXES[:-1])} or {ARCHIVE_SUFFIXES[-1]}"
        raise ToolboxError(f'"{place}" is neither a folder nor a {kinds} archive; give the folder of pictures')
    return place.parent


def _from_url(url: str, list_file: str | Path | None) -> PictureList:
    if list_file is not None:
        return _from_list(url, user_path(list_file))
    found = list_url(url)
    left_out = LeftOut()
    shown = [
        name for name in found if not (is_of_the_system(name) or left_out.hides(name) or left_out.does_not_read(name))
    ]
    names = tuple(name for name in shown if is_picture_name(name))
    archives = [name for name in shown if is_archive_name(name) or name.lower().endswith(FOREIGN_SUFFIXES)]
    notes = left_out.notes()
    if archives:
        notes.insert(0, f"archives in object stores are not read; {len(archives)} are left out, such as {archives[0]}")
    if not names:
        raise ToolboxError(f'"{url}" holds no pictures{f" ({notes[0]})" if notes else ""}')
    return PictureList(names, (NO_LABEL,) * len(names), url, tuple(notes))


def _from_list(root: str, list_file: Path) -> PictureList:
    listed = read_picture_list(list_file.absolute(), Path())  # as they stand there: relative ones are below the images
    names = tuple(PAIR.join(map(str, filter(None, (picture.path, picture.second)))) for picture in listed)
    labels = tuple(NO_LABEL if picture.label is None else picture.label for picture in listed)
    return PictureList(names, labels, root)


def _below(root: Path, notes: list[str]) -> Iterator[tuple[str, int]]:
    walk = FolderWalk(str(root))
    left_out = LeftOut()
    for name in walk.files():
        lower = name.lower()
        if lower.endswith(PICTURE_SUFFIXES):
            yield name, NO_LABEL
        elif is_archive_name(name):
            yield from _noted(root / name, name, notes)
        elif lower.endswith(FOREIGN_SUFFIXES):
            notes.append(f'"{root / name}" cannot be read in place; unpack it, or make it a plain .tar or a .zip')
        elif not left_out.does_not_read(name) and is_unnamed_picture(root / name):
            yield name, NO_LABEL
    notes += [*walk.notes(), *left_out.notes()]


def _noted(path: Path, relative: str, notes: list[str]) -> Iterator[tuple[str, int]]:
    try:
        yield from archive_pictures(path, relative, notes)
    except ToolboxError as error:
        notes.append(str(error))
