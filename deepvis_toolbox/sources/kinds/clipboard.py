"""The clipboard: a picture that was copied in another program."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources.copied import copied_picture
from deepvis_toolbox.sources.decode import UnreadablePicture
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.pacing import Pacer
from deepvis_toolbox.sources.registry import register_source
from deepvis_toolbox.sources.source import Source
from deepvis_toolbox.words.inputs import INPUT_FORMS

LOOKS_A_SECOND = 2.0
NOTHING = "the clipboard holds no picture; copy one in another program"


@register_source
class ClipboardSource(Source):
    """The picture that was copied last. Another one takes its place by itself; what is no picture leaves it there."""

    form = "clipboard"
    meaning = INPUT_FORMS.meaning("clipboard")

    @classmethod
    def claims(cls, text: str) -> bool:
        return text == "clipboard"

    @classmethod
    def open(cls, text: str, options: SourceOptions) -> Self:  # noqa: ARG003
        return cls(options)

    def __init__(self, options: SourceOptions) -> None:
        """`ToolboxError` where no clipboard can be read, or, of a run without a window, where it holds no picture."""
        self.name = "clipboard"
        self._pacer = Pacer(LOOKS_A_SECOND) if options.realtime else None
        self._shown: NDArray[np.uint8] | None = None
        self._number = 0
        self._look()
        if not options.realtime and self._shown is None:
            raise ToolboxError(self.note)

    def read(self) -> SourceFrame | None:
        if self._pacer is not None:
            self._pacer.wait()
            try:
                self._look()
            except ToolboxError as error:
                self.note = str(error)
        self.gone = self._shown is None
        if self._shown is None:
            return None
        frame = SourceFrame(self._shown, FrameInfo(self.name, self._number))
        self._number += 1
        return frame

    def _look(self) -> None:
        try:
            image = copied_picture()
        except UnreadablePicture as error:
            self.note = f"what was copied cannot be read: {error.reason}"
            return
        self._shown = self._shown if image is None else image
        self.note = NOTHING if self._shown is None else ""

    def interrupt(self) -> None:
        if self._pacer is not None:
            self._pacer.interrupt()
