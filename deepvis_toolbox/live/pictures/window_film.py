"""Records windows as a video file."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.atomic_files import check_writable, replacing
from deepvis_toolbox.errors import ToolboxError

_CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}


class VideoRecording:
    """A context manager; the file gets its name when the recording is whole."""

    def __init__(self, path: Path, rate: float) -> None:
        """`rate`: frames a second of the video. `ToolboxError` where such a file cannot be written."""
        if path.suffix.lower() not in _CODECS:
            raise ToolboxError(f'--record: "{path}" must end in {", ".join(_CODECS)}')
        check_writable(path.absolute().parent)
        self._path = path
        self._rate = rate
        self._stack = ExitStack()
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def add(self, pixels: NDArray[np.uint8]) -> None:
        """One RGB frame H×W×3. The first one decides the size; codecs want even sides, an odd last line is left out."""
        if self._writer is None:
            self._size = _even(pixels)
            self._writer = self._open()
        frame: NDArray[np.uint8] = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), np.uint8)
        if _even(frame) != self._size:
            frame = np.asarray(cv2.resize(frame, self._size, interpolation=cv2.INTER_AREA), np.uint8)
        self._writer.write(np.ascontiguousarray(frame[: self._size[1], : self._size[0]]))

    def close(self) -> None:
        """Finishes the file; nothing is written where no frame came."""
        self._writer = None
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open(self) -> cv2.VideoWriter:
        part = self._stack.enter_context(replacing(self._path))
        codec = cv2.VideoWriter.fourcc(*_CODECS[self._path.suffix.lower()])
        writer = cv2.VideoWriter(str(part), codec, self._rate, self._size)
        if not writer.isOpened():
            raise ToolboxError(f'--record: OpenCV cannot write "{self._path}"; try a name that ends in .avi')
        self._stack.callback(writer.release)
        return writer


def _even(pixels: NDArray[np.uint8]) -> tuple[int, int]:
    """(width, height), each rounded down to an even number."""
    return pixels.shape[1] // 2 * 2, pixels.shape[0] // 2 * 2
