"""A single picture file."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from deepvis_toolbox.sources.file_kind import file_kind
from deepvis_toolbox.sources.listing import ListedPicture
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.picture_process import decode_bands_apart
from deepvis_toolbox.sources.picture_sequence import PictureSequence
from deepvis_toolbox.sources.registry import register_source
from deepvis_toolbox.words.inputs import INPUT_FORMS


@register_source
class PictureSource(PictureSequence):
    """One picture; the next and the previous one are itself, read again from its file."""

    form = "PICTURE"
    meaning = INPUT_FORMS.meaning("PICTURE")

    @classmethod
    def claims(cls, text: str) -> bool:
        return file_kind(Path(text)) == "picture"

    @classmethod
    def open(cls, text: str, options: SourceOptions) -> Self:  # noqa: ARG003
        path = Path(text)
        decode_bands_apart(path)  # raises where it is broken: with a single file that is an error, not a note
        return cls(path.name, [ListedPicture(path)])
