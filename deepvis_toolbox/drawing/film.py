"""Films: frames written one by one to a video file, which gets its name once it is whole."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from deepvis_toolbox.atomic_files import (
    ABANDONED_SECONDS,
    cannot_write,
    check_writable,
    remove_partial_files,
    replacing,
)
from deepvis_toolbox.drawing.recording import Recording, copy_frames
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.folder_lock import FolderLock
from deepvis_toolbox.words.images import RGBImage

_CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}


class FilmStoppedError(ToolboxError):
    """A film cannot be written any more, as on a full disk; what was filmed until then is kept."""


class Film:
    """A context manager; what has been filmed is kept, whatever ends the block, and no file is made of no frames.

    While it grows, and where it cannot be finished, the film is `NAME.mp4.unfinished.mkv` beside the file that it
    becomes, and can be played up to its end at any time. One run at a time writes a film.

    The first frame decides the size. Codecs want even sides: an odd last line is left out. A frame of another size is
    shown whole on the first one's canvas, shrunk where it has to be.
    """

    def __init__(self, path: Path, rate: float, background: int = 0) -> None:
        """Take `rate`: frames a second. `background`: the grey, 0 to 255, beside frames of another size.

        `ToolboxError` where no film can be written to `path`.
        """
        kind = path.suffix.lower()
        if kind not in _CODECS:
            raise ToolboxError(f'the film "{path}" must end in {", ".join(_CODECS)}')
        if path.is_dir():
            raise ToolboxError(f'the film "{path}" is a folder; choose another name')
        check_writable(path.absolute().parent)
        self._path, self._codec, self._rate, self._background = path, _CODECS[kind], rate, background
        self.unfinished = path.with_name(f"{path.name}.unfinished.mkv")
        """The file while it grows."""
        self._recording: Recording | None = None
        self._size = (0, 0)
        self._stopped: FilmStoppedError | None = None
        self._lock = FolderLock(path.absolute().parent, path.name)
        remove_partial_files(path.absolute().parent, ABANDONED_SECONDS)

    def add(self, frame: RGBImage) -> None:
        """Write one frame, RGB uint8 H×W×3; nothing, where the film has stopped.

        `ToolboxError` where a film of its size cannot be written, `FilmStoppedError` where the film ends here.
        """
        if self._stopped:
            return
        even = frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]
        try:
            self._recording = self._recording or self._begun(even)
            self._recording.write(self._fitted(even))
        except OSError as error:
            raise self._stop(error) from error

    def close(self) -> None:
        """End the file and give it its name. `FilmStoppedError` where it is not whole, as on a full disk."""
        try:
            if self._recording is not None:
                self._recording.finish()
                self._give_name()
                self._recording = None
        except (OSError, ToolboxError) as error:
            raise self._stop(error) from error
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
        if self._stopped and error is None:
            raise self._stopped

    def _begun(self, frame: RGBImage) -> Recording:
        self._size = frame.shape[1], frame.shape[0]
        try:
            return Recording(self.unfinished, self._codec, self._rate, self._size)
        except ValueError as error:
            raise ToolboxError(f'"{self._path}" cannot be written here: {error}; try .avi') from None

    def _stop(self, error: OSError | ToolboxError) -> FilmStoppedError:
        """Let the file be as it is; return what to tell of it."""
        recording, self._recording = self._recording, None
        if recording is not None:
            recording.release()
            if not recording.frames:
                self.unfinished.unlink(missing_ok=True)
        told = cannot_write(self._path, error) if isinstance(error, OSError) else error
        kept = f'; "{self.unfinished}" holds what was filmed before' if self.unfinished.is_file() else ""
        self._stopped = FilmStoppedError(f"{told}{kept}")
        return self._stopped

    def _give_name(self) -> None:
        with replacing(self._path) as temporary:
            copy_frames(self.unfinished, temporary, self._codec, self._rate, self._size)
        self.unfinished.unlink()

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
