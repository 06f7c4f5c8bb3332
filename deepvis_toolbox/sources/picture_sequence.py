"""Still pictures, one at a time, forwards and backwards; broken ones are skipped with a note."""

from __future__ import annotations

from collections.abc import Sequence

from deepvis_toolbox.sources.decode import UnreadablePicture
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame
from deepvis_toolbox.sources.listing import ListedPicture
from deepvis_toolbox.sources.many_bands import ARRAY_SUFFIX, first_band
from deepvis_toolbox.sources.pairs import joined
from deepvis_toolbox.sources.picture_process import decode_apart, decode_bands_apart
from deepvis_toolbox.sources.source import Source

_MAY_HAVE_BANDS = (".tif", ".tiff", ARRAY_SUFFIX)


class PictureSequence(Source):
    """Shows its pictures in a circle. Abstract: its kinds say where the pictures come from."""

    is_still = True

    def __init__(self, name: str, pictures: Sequence[ListedPicture]) -> None:
        self.name = name
        self._pictures = pictures
        self._position = 0
        self._direction = 1
        self._number = 0
        self._shown: SourceFrame | None = None

    def read(self) -> SourceFrame | None:
        if self._shown is None and not self.ended:
            self._shown = self._first_readable()
            self.ended = self._shown is None
        return self._shown

    def next(self) -> bool:
        return self._move(1)

    def previous(self) -> bool:
        return self._move(-1)

    def _refresh(self, step: int) -> None:
        """Refresh the list before each move by `step`: where pictures come and go, bring `_pictures`, `_position` up
        to date."""

    def _move(self, step: int) -> bool:
        self._refresh(step)
        self._position = (self._position + step) % max(1, len(self._pictures))
        self._direction = step
        self._shown = None
        self.ended = False
        return True

    def _first_readable(self) -> SourceFrame | None:
        """Return the picture at the position, or the next one, in the direction of the last move, that can be
        decoded."""
        self.note, self.gone = "", False
        for _ in self._pictures:
            frame = self._decoded(self._pictures[self._position])
            if frame is not None:
                self._number += 1
                return frame
            self._position = (self._position + self._direction) % len(self._pictures)
        self.gone = True
        self.note = f"none of the {len(self._pictures)} pictures of {self.name} can be read; {self.note}"
        return None

    def _decoded(self, picture: ListedPicture) -> SourceFrame | None:
        try:
            info = FrameInfo(self._caption(picture), self._number, is_still=True, label=picture.label)
            return _frame(picture, info)
        except UnreadablePicture as error:
            self.note = f"skipped {picture.name}: {error.reason}"
            return None

    def _caption(self, picture: ListedPicture) -> str:
        count = len(self._pictures)
        return f"{picture.name} ({self._position + 1} of {count})" if count > 1 else picture.name


def _frame(picture: ListedPicture, info: FrameInfo) -> SourceFrame:
    """Return the picture, with its bands where it has others than red, green and blue. A network that does not take
    the bands of an array, or a pair, is not shown a part of it."""
    if picture.second is not None:
        first = decode_apart(picture.path)
        return SourceFrame(first, info, joined(first, decode_apart(picture.second)), is_picture=False)
    if not picture.path.name.lower().endswith(_MAY_HAVE_BANDS):
        return SourceFrame(decode_apart(picture.path), info)
    bands = decode_bands_apart(picture.path)
    if bands.shape[2] == 3:
        return SourceFrame(bands, info)
    if picture.path.name.lower().endswith(ARRAY_SUFFIX) or bands.dtype.kind == "f":
        return SourceFrame(first_band(bands), info, bands, is_picture=False)
    return SourceFrame(decode_apart(picture.path), info, bands)
