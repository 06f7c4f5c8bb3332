"""Films: frames written one by one to a video file, which gets its name once it is whole."""

from __future__ import annotations

import errno
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from deepvis_toolbox.atomic_files import check_writable, replacing
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.words.images import RGBImage

_CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}


class Film:
    """A context manager; what has been filmed is kept, whatever ends the block, and no file is made of no frames.

    The first frame decides the size. Codecs want even sides: an odd last line is left out. A frame of another size is
    shown whole on the first one's canvas, shrunk where it has to be.
    """

    def __init__(self, path: Path, rate: float, background: int = 0) -> None:
        """Take `rate`: frames a second. `background`: the grey, 0 to 255, beside frames of another size.

        `ToolboxError` where no film can be written to `path`.
        """
        if path.suffix.lower() not in _CODECS:
            raise ToolboxError(f'the film "{path}" must end in {", ".join(_CODECS)}')
        if path.is_dir():
            raise ToolboxError(f'the film "{path}" is a folder; choose another name')
        check_writable(path.absolute().parent)
        self._path, self._rate, self._background = path, rate, background
        self._part = path
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._frames = 0
        self._stack = ExitStack()

    def add(self, frame: RGBImage) -> None:
        """Write one frame, RGB uint8 H×W×3. `ToolboxError` where a film of its size cannot be written."""
        even = frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]
        if self._writer is None:
            self._size = even.shape[1], even.shape[0]
            self._writer = self._begun()
        self._writer.write(np.ascontiguousarray(self._fitted(even)[..., ::-1]))
        self._frames += 1

    def close(self) -> None:
        """End the file and give it its name. `ToolboxError` where it is not whole, as on a full disk."""
        with self._stack:
            if self._writer is not None:
                self._writer.release()
                self._writer = None
                self._check_length()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _begun(self) -> cv2.VideoWriter:
        with ExitStack() as stack:
            self._part = stack.enter_context(replacing(self._path))
            codec = cv2.VideoWriter.fourcc(*_CODECS[self._path.suffix.lower()])
            writer = cv2.VideoWriter(str(self._part), codec, self._rate, self._size)
            if not writer.isOpened():
                size = f"{self._size[0]}×{self._size[1]}"
                raise ToolboxError(f'"{self._path}" cannot be written here as a film of {size} pixels; try .avi')
            self._stack = stack.pop_all()
        return writer

    def _check_length(self) -> None:
        """Read the film's length back: OpenCV says nothing where a frame cannot be written."""
        reader = cv2.VideoCapture(str(self._part))
        found = int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
        reader.release()
        if found != self._frames:
            raise OSError(errno.ENOSPC, f"{found} of {self._frames} frames were written")

    def _fitted(self, frame: RGBImage) -> RGBImage:
        width, height = self._size
        if frame.shape[:2] == (height, width):
            return frame
        shrink = min(1.0, height / frame.shape[0], width / frame.shape[1])
        rows, columns = (max(1, int(side * shrink)) for side in frame.shape[:2])
        canvas = np.full((height, width, 3), self._background, np.uint8)
        whole = frame if shrink == 1 else cv2.resize(frame, (columns, rows), interpolation=cv2.INTER_AREA)
        canvas[:rows, :columns] = whole
        return canvas
