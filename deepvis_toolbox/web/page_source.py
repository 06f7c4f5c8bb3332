"""What a page sends as the source: its camera's pictures, a picture or a video file. All of it may be anybody's."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.mailbox import Mailbox
from deepvis_toolbox.shown_text import shown
from deepvis_toolbox.sources.decode import UnreadablePicture
from deepvis_toolbox.sources.film_capture import open_file
from deepvis_toolbox.sources.film_process import FilmError
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame
from deepvis_toolbox.sources.kinds.video_file import VideoSource
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.picture_process import decode_apart
from deepvis_toolbox.web.unnamed_source import UnnamedSource

WAIT_SECONDS = 1.0
LARGEST_CAMERA_BYTES = 4 << 20
LARGEST_CAMERA_PIXELS = 4_000_000
FIRST_NUMBER = 1 << 31
"""Of a page's frames: so it tells its own from those of the server's sources."""
NOTHING_YET = "nothing has been sent yet: start the camera, or choose a file"

_VIDEO_HEADS = (rb"....ftyp", rb"\x1a\x45\xdf\xa3", rb"RIFF....AVI ", rb"OggS")
"""MP4 and QuickTime, Matroska and WebM, AVI, Ogg. Others are refused: what FFmpeg reads besides them can name files of
this machine and addresses (playlists)."""
_LONGEST_NAME = 80


@dataclass(frozen=True)
class CameraPicture:
    """A JPEG from the page's camera."""

    data: bytes


@dataclass(frozen=True)
class Upload:
    """A file that was chosen, dropped or pasted; it lies in `path`, and is removed once it is not needed any more."""

    path: Path
    name: str
    """As the page calls it; shown, and used for nothing else."""


class PageSource(UnnamedSource):
    """Shows what the page sent last. `give` may be called from any thread."""

    name = "this page"

    def __init__(self, options: SourceOptions, on_taken: Callable[[int], None] = lambda _: None) -> None:
        """`on_taken` is called when a picture of the camera is taken, with its number as a frame: the next may come."""
        self._options, self._on_taken = options, on_taken
        self._given: Mailbox[CameraPicture | Upload] = Mailbox()
        self._video: VideoSource | None = None
        self._upload: Upload | None = None
        self._number = FIRST_NUMBER
        self._came = False
        self.note, self.gone = NOTHING_YET, True

    def give(self, sent: CameraPicture | Upload) -> None:
        """Take what a page has sent, in place of what was not looked at yet."""
        former = self._given.get(0)
        if isinstance(former, Upload):
            former.path.unlink(missing_ok=True)
        self._came = True
        if not self._given.put(sent) and isinstance(sent, Upload):
            sent.path.unlink(missing_ok=True)

    def next(self) -> bool:
        """Return whether there is something new to be read."""
        self.ended &= not self._came
        return self._came

    def read(self) -> SourceFrame | None:
        """Return the next frame of what was sent last, waiting for it about a second at most."""
        self._came = False
        sent = self._given.get(0 if self._video else WAIT_SECONDS)
        if sent is None:
            return self._next_of_video()
        self._let_go()
        self.note, self.gone = "", False
        try:
            return self._of_camera(sent) if isinstance(sent, CameraPicture) else self._of_file(sent)
        except UnreadablePicture as error:
            self.note, self.gone = f"what was sent cannot be read: {error.reason}", True
        except ToolboxError as error:
            self.note, self.gone = str(error), True
        return None

    def interrupt(self) -> None:
        """Let nobody wait: the next read returns what there is."""
        self._given.wake()
        if self._video:
            self._video.interrupt()

    def close(self) -> None:
        """Remove what was sent."""
        self._given.close()
        waiting = self._given.get(0)
        if isinstance(waiting, Upload):
            waiting.path.unlink(missing_ok=True)
        self._let_go()

    def _of_camera(self, sent: CameraPicture) -> SourceFrame:
        self.is_still = False
        self._on_taken(self._number)
        return self._frame(camera_pixels(sent.data), "camera of the page")

    def _of_file(self, sent: Upload) -> SourceFrame | None:
        with sent.path.open("rb") as file:
            head = file.read(12)
        name = shown(sent.name)[:_LONGEST_NAME]
        self._upload = sent
        if not is_video(head):
            self.is_still = True
            return self._frame(decode_apart(sent.path), name)
        self.is_still = False
        path = str(sent.path.resolve())
        try:
            capture = open_file(path)
        except FilmError as error:
            raise ToolboxError(f"{name} cannot be decoded: {error}") from error
        if capture is None:
            raise ToolboxError(f"{name} is no video that OpenCV can read")
        self._video = VideoSource(name, capture, partial(open_file, path), self._options)
        return self._next_of_video()

    def _next_of_video(self) -> SourceFrame | None:
        frame = self._video.read() if self._video else None
        if self._video:
            self.note, self.gone, self.ended = self._video.note, self._video.gone, self._video.ended
        return self._frame(frame.image, frame.info.source) if frame else None

    def _frame(self, image: NDArray[np.uint8], name: str) -> SourceFrame:
        frame = SourceFrame(image, FrameInfo(name, self._number, is_still=self.is_still))
        self._number += 1
        return frame

    def _let_go(self) -> None:
        if self._video:
            self._video.close()
            self._video = None
        if self._upload:
            self._upload.path.unlink(missing_ok=True)
            self._upload = None


def camera_pixels(data: bytes) -> NDArray[np.uint8]:
    """Return a camera's JPEG as RGB uint8 H×W×3. `UnreadablePicture` for what is none, or larger than cameras are."""
    if len(data) > LARGEST_CAMERA_BYTES:
        raise UnreadablePicture("the camera's picture", f"larger than {LARGEST_CAMERA_BYTES >> 20} MiB")
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            width, height = picture.size
    except Exception:  # damaged heads raise nearly anything
        raise UnreadablePicture("the camera's picture", "it is no JPEG") from None
    if width * height > LARGEST_CAMERA_PIXELS:
        raise UnreadablePicture("the camera's picture", f"{width}×{height} pixels are more than cameras have")
    return decode_apart(data)


def is_video(head: bytes) -> bool:
    """Return whether a file begins as those videos do that may be sent."""
    return any(re.match(pattern, head, re.DOTALL) for pattern in _VIDEO_HEADS)
