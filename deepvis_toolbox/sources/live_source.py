"""What cameras and streams have in common: they come when they come, and may be gone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from deepvis_toolbox.sources.capture import Capture, to_rgb
from deepvis_toolbox.sources.capture_thread import CaptureThread
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.source import Source

OPEN_SECONDS = 6.0
LIVE_WAIT_SECONDS = 1.0
HEADLESS_WAIT_SECONDS = 10.0


class LiveSource(Source):
    """The newest picture of a capture. Abstract: its kinds say what they claim and how they are opened."""

    noun: ClassVar[str] = "camera"

    def __init__(
        self,
        name: str,
        opener: Callable[[], Capture | None],
        options: SourceOptions,
        *,
        mirror: bool = False,
        retry_seconds: float = 1.0,
        comes_once: bool = False,
    ) -> None:
        """Take `comes_once`: what has been read cannot be read again; its end is the end."""
        self.name = name
        self._mirror = mirror
        self._realtime = options.realtime
        self._number = 0
        replay, retry = options.loop and not comes_once, None if comes_once else retry_seconds
        self._capture = CaptureThread(name, opener, replay=replay, retry_seconds=retry)
        self.is_open = self._capture.start(OPEN_SECONDS)

    def read(self) -> SourceFrame | None:
        patience = LIVE_WAIT_SECONDS if self._realtime else HEADLESS_WAIT_SECONDS
        began = time.monotonic()
        image = self._capture.newest(patience)
        if image is None:
            self._explain_silence(waited=time.monotonic() - began >= patience)
            return None
        self.note, self.gone = "", False
        frame = SourceFrame(to_rgb(image, self._mirror), FrameInfo(self.name, self._number))
        self._number += 1
        return frame

    def _explain_silence(self, waited: bool) -> None:
        self.ended = self._capture.finished or not self._realtime
        self.gone = self._capture.finished or self._capture.lost
        if self._capture.finished:
            self.note = self.fault or f"{self.name} has ended"
        elif self._capture.lost:
            self.note = f"{self.noun} lost, retrying" if self._realtime else f"{self.noun} lost"
            self.note += f": {self._capture.fault}" if self._capture.fault else ""
        elif waited:
            self.note = f"waiting for {self.name}"

    @property
    def fault(self) -> str:
        """Why nothing can be decoded, or an empty text: it did not open, or has ended as such things do."""
        return f"{self.name} cannot be decoded: {self._capture.fault}" if self._capture.fault else ""

    def interrupt(self) -> None:
        self._capture.wake()

    def close(self) -> None:
        self._capture.stop()
