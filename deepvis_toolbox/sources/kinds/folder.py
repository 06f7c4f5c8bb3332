"""A folder of pictures; those added while the toolbox runs are seen."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from pathlib import Path
from typing import Self

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources.listing import ListedPicture, folder_pictures, natural_order
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.picture_sequence import PictureSequence
from deepvis_toolbox.sources.registry import register_source
from deepvis_toolbox.words.inputs import INPUT_FORMS

# A folder changed this shortly before it was listed may change again without its time stamp changing.
_STAMP_SECONDS = 2.0


@register_source
class FolderSource(PictureSequence):
    """The pictures directly in a folder, in natural order. Each move looks at the folder's time stamp first."""

    form = "FOLDER"
    meaning = INPUT_FORMS.meaning("FOLDER")

    @classmethod
    def claims(cls, text: str) -> bool:
        return os.path.isdir(text)  # noqa: PTH112 - answers False to names no system can have

    @classmethod
    def open(cls, text: str, options: SourceOptions) -> Self:  # noqa: ARG003
        return cls(Path(text))

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp = -1.0
        super().__init__(f"folder {folder.resolve().name or folder}", self._listed())
        if not self._pictures:
            raise ToolboxError(f"the folder {folder} holds no pictures{_hint_at_subfolders(folder)}")

    def _listed(self) -> list[ListedPicture]:
        changed, now = self._folder.stat().st_mtime, time.time()
        pictures = folder_pictures(self._folder)
        self._stamp = changed if now - changed > _STAMP_SECONDS else -1.0
        return pictures

    def _refresh(self, step: int) -> None:
        try:
            if self._folder.stat().st_mtime == self._stamp:
                return
            pictures = self._listed()
        except (OSError, ToolboxError):
            return  # the folder is away; its pictures will be skipped with a note, and may come back
        if self._pictures:
            current = self._pictures[self._position]
            self._position = bisect_left(pictures, _order(current), key=_order)
            if current not in pictures[self._position : self._position + 1] and step > 0:
                self._position -= 1  # the one that was shown is gone: the next is the one in its place
        self._pictures = pictures


def _order(picture: ListedPicture) -> tuple[list[str | int], str]:
    return natural_order(picture.path.name)


def _hint_at_subfolders(folder: Path) -> str:
    within = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    return f'; it has folders in it, give one of them, such as "{folder / within[0]}"' if within else ""
