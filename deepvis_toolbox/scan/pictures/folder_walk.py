"""The files below a folder in a fixed order; links to folders are followed, and end where they would go in circles."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

from deepvis_toolbox.errors import os_reason_of
from deepvis_toolbox.scan.pictures.left_out import HIDDEN_FOLDERS, HIDDEN_PICTURES
from deepvis_toolbox.sources.listing import is_picture_name
from deepvis_toolbox.unit_images.claim import CLAIM
from deepvis_toolbox.words.unit_image_kinds import UNIT_IMAGE_KINDS

_SYSTEM_FOLDERS = frozenset(
    name.casefold()
    for name in (
        *(
            "__MACOSX",
            ".AppleDouble",
            ".thumbnails",
            "@eaDir",
            "#recycle",
            "#snapshot",
            "@Recycle",
            "@Recently-Snapshot",
        ),
        *("$RECYCLE.BIN", "System Volume Information", "lost+found", ".Trash"),
    )
)
"""What systems and network disks put beside people's pictures: thumbnails, deleted files, second halves of files."""
_APPLE_DOUBLE = "._"
_Folder = tuple[str, str, "os.DirEntry[str]"]
"""The folder that it lies in, relative to the root and as a real path; the folder."""


def is_of_the_system(member: str) -> bool:
    """Return whether a member of an archive was put beside the pictures by a system, and is no picture itself."""
    *folders, name = member.split("/")
    return name.startswith(_APPLE_DOUBLE) or any(folder.casefold() in _SYSTEM_FOLDERS for folder in folders)


class FolderWalk:
    """Goes through a folder: its files by name, then its folders by name. Hidden ones are left out.

    A link to a folder elsewhere is followed once. One to a folder of this tree, or to one above, is left out: what is
    there is read where it lies, or would never end.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._real_root = os.path.realpath(root)
        self._followed: set[tuple[int, int]] = set()
        self._left_out: Counter[str] = Counter()
        self._errors: list[str] = []

    def files(self) -> Iterator[str]:
        """Yield the files' names, relative to the root."""
        waiting: list[_Folder] = []  # a stack, since folders may lie deeper than calls may
        yield from self._files_in("", self._real_root, waiting)
        while waiting:
            parent, real, entry = waiting.pop()
            inside = self._entered(entry, real)
            if inside is not None:
                yield from self._files_in(f"{parent}{entry.name}/", inside, waiting)

    def notes(self) -> list[str]:
        """Return what was left out, a sentence each; complete once `files` has ended."""
        return [*self._errors, *(f"{count} {what}" for what, count in self._left_out.items())]

    def _files_in(self, folder: str, real: str, waiting: list[_Folder]) -> Iterator[str]:
        """Yield the files of one folder; its folders are put on the stack."""
        try:
            with os.scandir(os.path.join(self._root, folder)) as found:  # noqa: PTH118 - millions of files, as text
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            self._errors.append(f'the folder "{error.filename}" cannot be read: {os_reason_of(error)}')
            return
        folders = []
        for entry in entries:
            if _is_folder(entry):
                folders.append(entry)
            elif self._is_shown(entry):
                yield folder + entry.name
        waiting += [(folder, real, entry) for entry in reversed(folders)]

    def _is_shown(self, entry: os.DirEntry[str]) -> bool:
        hidden = entry.name.startswith(".")
        if hidden and is_picture_name(entry.name):
            of_apple = entry.name.startswith(_APPLE_DOUBLE)
            self._left_out[
                "files ._… that macOS put beside pictures are left out" if of_apple else HIDDEN_PICTURES
            ] += 1
        elif not hidden and entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110
            self._left_out["links lead nowhere, and are left out"] += not is_picture_name(entry.name)
        return not hidden

    def _entered(self, entry: os.DirEntry[str], real: str) -> str | None:
        """Return the real path of a folder that is to be read; None for one that is not."""
        if entry.name.casefold() in _SYSTEM_FOLDERS:
            self._left_out["folders of the system (__MACOSX, @eaDir, #recycle and the like) are left out"] += 1
            return None
        if entry.name.startswith("."):
            self._left_out[HIDDEN_FOLDERS] += 1
            return None
        if _is_store(entry.path):
            self._errors.append(f'"{entry.path}" is a store of unit images; its pictures are left out')
            return None
        if not entry.is_symlink():
            target = f"{real}/{entry.name}"
            return target if _contains(self._real_root, target) else self._once(entry, target)
        target = os.path.realpath(entry.path)
        if any(_contains(target, above) or _is_walked(above, target) for above in (self._real_root, real)):
            self._left_out["links to folders within this one or above it are left out"] += 1
            return None
        return self._once(entry, target)

    def _once(self, entry: os.DirEntry[str], target: str) -> str | None:
        """Return `target`, where no link has led there before."""
        found = entry.stat()
        key = (found.st_dev, found.st_ino)
        if key in self._followed:
            self._left_out["linked folders are left out that another link has led to already"] += 1
            return None
        self._followed.add(key)
        return target


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_store(folder: str) -> bool:
    """Whether this program keeps unit images there."""
    return os.path.isfile(os.path.join(folder, CLAIM)) and any(  # noqa: PTH113, PTH118 - of every folder, as text
        os.path.isdir(os.path.join(folder, kind))  # noqa: PTH112, PTH118
        for kind in UNIT_IMAGE_KINDS
    )


def _is_walked(root: str, path: str) -> bool:
    """Return whether a folder is read anyway, as it lies below the root and is not hidden."""
    return _contains(root, path) and not any(
        part.startswith(".") or part.casefold() in _SYSTEM_FOLDERS for part in path[len(root) :].split("/")
    )


def _contains(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
