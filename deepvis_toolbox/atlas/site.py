"""The folder of a site: files are written where they differ, pictures where what they are made of has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, TypeAdapter

from deepvis_toolbox.atomic_files import remove, write_json, write_text
from deepvis_toolbox.checked_json import read_checked
from deepvis_toolbox.errors import ToolboxError, reason_of
from deepvis_toolbox.folder_lock import LOCK, FolderLock
from deepvis_toolbox.regular_file import read_regular

BUILT = "built.json"
"""What was written, and out of what: {path: a hash}."""
_MOST_BUILT, _MOST_TEXT = 1 << 26, 1 << 28


class Site:
    """What a build writes; whatever a former one wrote and this one does not is removed at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written, self.kept = 0, 0
        self._former = _former(folder)
        self._now: dict[str, str] = {}

    def text(self, path: str, text: str) -> None:
        """Write a page, or data."""
        self._now[path] = hashlib.sha256(text.encode()).hexdigest()
        self._write(path, lambda target: write_text(target, text))

    def made(self, path: str, sources: Iterable[Path], how: object, write: Callable[[Path], None]) -> None:
        """Let `write` make a picture, or another file, out of files, `how` being all else that it depends on."""
        self._now[path] = _signature(sources, how)
        self._write(path, write)

    def data(self, path: str, name: str, record: Any) -> None:
        """Write plain data as a script that sets a variable: pages from a disk may fetch nothing."""
        text = json.dumps(record, allow_nan=False, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        # What would end a script, or a line in it.
        safe = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        self.text(path, f"window.{name} = {safe};\n")

    def finish(self) -> None:
        """Remove what is no longer part of the site, and note what is."""
        for path in self._former.keys() - self._now.keys():
            target = self.folder / path
            with suppress(OSError, ValueError, ToolboxError):  # also a name that no file can have
                remove(target)
                for folder in PurePosixPath(path).parents[:-1]:
                    (self.folder / folder).rmdir()  # where it was the last
        write_json(self.folder / BUILT, self._now)

    def _write(self, path: str, write: Callable[[Path], None]) -> None:
        target = self.folder / path
        if self._former.get(path) == self._now[path] and target.is_file():
            self.kept += 1
            return
        write(target)
        self.written += 1


@contextmanager
def built_site(folder: str | Path) -> Iterator[Site]:
    """Give the folder's site to be written; one run at a time. `ToolboxError` where it holds anything else."""
    place = Path(folder)
    if place.is_dir() and not (place / BUILT).exists() and any(path.name != LOCK for path in place.iterdir()):
        raise ToolboxError(f'"{place}" holds other files than an atlas; choose an empty or a new folder with --out')
    with FolderLock(place):
        site = Site(place)
        if not (place / BUILT).exists():
            write_json(place / BUILT, {})  # before all else: the next run knows the folder, whatever ends this one
        yield site
        site.finish()


def _former(folder: Path) -> dict[str, str]:
    try:
        return read_checked(folder / BUILT, _MOST_BUILT, _RECORD)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ToolboxError(
            f'"{folder / BUILT}" is damaged ({reason_of(error)}); remove the folder and build the atlas anew'
        ) from error


def _below_the_folder(path: str) -> str:
    """Refuse an entry that does not name a file below the folder, as this program does: what it names may be
    removed."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\\" in path:
        raise ValueError("it names a file outside of the atlas")
    return path


_RECORD = TypeAdapter(dict[Annotated[str, AfterValidator(_below_the_folder)], str])


def _signature(sources: Iterable[Path], how: object) -> str:
    digest = hashlib.sha256(repr(how).encode())
    for path in sources:
        digest.update(hashlib.sha256(read_regular(path, _MOST_TEXT)).digest())
    return digest.hexdigest()
