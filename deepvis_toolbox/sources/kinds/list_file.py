"""A text file that names pictures, with their class indices if it likes."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources.file_kind import file_kind
from deepvis_toolbox.sources.listing import read_picture_list
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.picture_sequence import PictureSequence
from deepvis_toolbox.sources.registry import register_source
from deepvis_toolbox.words.inputs import INPUT_FORMS

_LOOKED_FOR = 100  # enough to tell a list whose folder is wrong from one with a missing file


@register_source
class ListSource(PictureSequence):
    """The pictures of a list, in its order."""

    form = "LIST.txt"
    meaning = INPUT_FORMS.meaning("LIST.txt")

    @classmethod
    def claims(cls, text: str) -> bool:
        return file_kind(Path(text)) == "list"

    @classmethod
    def open(cls, text: str, options: SourceOptions) -> Self:  # noqa: ARG003
        path = Path(text)
        pictures = read_picture_list(path)
        if not any(picture.path.exists() for picture in pictures[:_LOOKED_FOR]):
            raise ToolboxError(
                f"{path}: there is no file {pictures[0].path}, nor the others it names first;"
                " names are relative to the list's own folder"
            )
        return cls(f"list {path.name}", pictures)
