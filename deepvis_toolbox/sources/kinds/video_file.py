"""A video file, at its own rate when live, frame by frame when headless."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError, os_reason_of
from deepvis_toolbox.sources.capture import Capture, FrameNotReady, frame_rate, is_finite, to_rgb
from deepvis_toolbox.sources.file_kind import file_kind
from deepvis_toolbox.sources.film_capture import open_file
from deepvis_toolbox.sources.film_process import FilmError
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.pacing import Pacer
from deepvis_toolbox.sources.registry import register_source
from deepvis_toolbox.sources.source import Source
from deepvis_toolbox.words.inputs import INPUT_FORMS


@register_source
class VideoSource(Source):
    """Every frame of a video in order, again from the start after its end unless told otherwise."""

    form = "VIDEO"
    meaning = INPUT_FORMS.meaning("VIDEO")

    @classmethod
    def claims(cls, text: str) -> bool:
        return file_kind(Path(text)) == "video"

    @classmethod
    def open(cls, text: str, options: SourceOptions) -> Self:
        path = Path(text)
        try:
            with path.open("rb") as file:
                empty = not file.read(1)
        except OSError as error:
            raise ToolboxError(f"{path} cannot be read: {os_reason_of(error)}") from error
        # The full path keeps FFmpeg from taking a name such as "concat:a|b" for one of its own protocols.
        opener = partial(open_file, str(path.resolve()))
        try:
            capture = None if empty else opener()
        except FilmError as error:
            raise ToolboxError(f"{path} cannot be decoded: {error}") from error
        if capture is None:
            what = "is empty" if empty else "is neither a picture nor a video that OpenCV can read"
            raise ToolboxError(f"{path} {what}; a list of pictures must end in .txt")
        return cls(path.name, capture, opener, options)

    def __init__(
        self, name: str, capture: Capture, reopen: Callable[[], Capture | None], options: SourceOptions
    ) -> None:
        self.name = name
        self._capture: Capture | None = capture
        self._reopen = reopen
        self._loop = options.loop
        self.has_end = not options.loop and is_finite(capture)
        self.rate = frame_rate(capture, 0.0) or None
        self._realtime = options.realtime
        self._pacer = Pacer(frame_rate(capture)) if options.realtime else None
        self._number = 0
        self._number_in_pass = 0

    def read(self) -> SourceFrame | None:
        image = None if self.ended else self._next_image()
        if image is None:
            return None
        self.note = ""
        if self._pacer is not None:
            self._pacer.wait()
        frame = SourceFrame(to_rgb(image), FrameInfo(self.name, self._number))
        self._number += 1
        return frame

    def _next_image(self) -> NDArray[np.uint8] | None:
        try:
            image = self._decoded()
            if image is None and self._loop and self._number_in_pass:
                self._rewind()
                image = self._decoded()
        except FrameNotReady:
            self.note = f"waiting for {self.name}"
            return None
        except FilmError as error:
            self.ended = self.gone = True
            self.note = f"{self.name} cannot be decoded any more: {error}"
            if not self._realtime:  # a film that is cut short must not look like a whole one
                raise ToolboxError(self.note) from error
            return None
        if image is None:
            self.ended = self.gone = True
            self.note = f"{self.name} has ended" if self._number else f"{self.name}: no frame can be decoded"
        return image

    def _decoded(self) -> NDArray[np.uint8] | None:
        if self._capture is None:
            return None
        while True:
            try:
                ok, image = self._capture.read()
                break
            except FrameNotReady:
                if self._realtime:  # meanwhile, another source may be wished for
                    raise
        if not ok:
            return None
        self._number_in_pass += 1
        return np.asarray(image, dtype=np.uint8)

    def _rewind(self) -> None:
        """Open the file again: seeking to the start is not exact with every codec."""
        self.close()
        self._capture = self._reopen()
        self._number_in_pass = 0

    def interrupt(self) -> None:
        if self._pacer is not None:
            self._pacer.interrupt()

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None
