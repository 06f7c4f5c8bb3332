"""The program that decodes one film or stream for another: one job a line on stdin, one answer a line on stdout.

Started by `film_process` as a module with FD: a memory shared through an inherited file descriptor takes the frames.
Jobs that wait are done ahead of whoever asks. It holds itself to `film_budget`, and ends with its stdin.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import sentence_of
from deepvis_toolbox.sources.capture import CAPTURE_OPTIONS, Capture, open_video, to_rgb
from deepvis_toolbox.sources.film_budget import MAX_MEMORY, MAX_SECONDS, SLOT_BYTES, SLOTS
from deepvis_toolbox.sources.isolated_process import READY
from deepvis_toolbox.sources.picture_budget import MAX_PIXELS, limit_memory, within_seconds

TOLD = (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
"""The properties that whoever asks is told, by OpenCV's numbers."""
_TOO_MUCH = "it takes more memory to decode than a film may, or than is free"


class FilmDecoder:
    """Opens a film, again if need be, and decodes its frames in their order."""

    def __init__(self, memory: NDArray[np.uint8]) -> None:
        """Take `memory`: uint8 (SLOTS, SLOT_BYTES), shared with whoever asks."""
        self._memory = memory
        self._capture: Capture | None = None

    def answer(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return the `properties` of what is opened by `open`, nothing where that fails; the `size` (H, W) of a frame,
        whose RGB values lie in `slot` then, or the `end`; or the `reason` why there is nothing."""
        try:
            return self._opened(job) if "open" in job else self._decoded(job["slot"])
        except MemoryError:
            return {"reason": _TOO_MUCH}
        except cv2.error as error:
            return {"reason": _TOO_MUCH if error.code == cv2.Error.StsNoMem else sentence_of(error)}
        except Exception as error:  # whatever a film has in store, an answer is given
            return {"reason": sentence_of(error)}

    def _opened(self, job: dict[str, Any]) -> dict[str, Any]:
        if self._capture is not None:
            self._capture.release()
        if job["options"] is not None:
            os.environ[CAPTURE_OPTIONS] = job["options"]
        with within_seconds(MAX_SECONDS):
            self._capture = open_video(job["open"])
        if self._capture is None:
            return {}
        properties = {str(number): self._capture.get(number) for number in TOLD}
        if reason := _too_large(*(round(properties[str(number)]) for number in TOLD[2:])):
            return {"reason": reason}
        for _ in range(job["skip"]):
            with within_seconds(MAX_SECONDS):
                self._capture.read()
        return {"properties": properties}

    def _decoded(self, slot: int) -> dict[str, Any]:
        if self._capture is None:
            return {"end": True}
        with within_seconds(MAX_SECONDS):
            there, image = self._capture.read()
        if not there or image is None:
            return {"end": True}
        height, width = image.shape[:2]
        if reason := _too_large(width, height):
            return {"reason": reason}
        target = self._memory[slot, : 3 * height * width].reshape(height, width, 3)
        to_rgb(image, target=target)
        return {"size": (height, width)}


def _too_large(width: int, height: int) -> str:
    if width * height <= MAX_PIXELS:
        return ""
    return f"its frames have {width}×{height} pixels, more than {MAX_PIXELS // 1_000_000} million"


def main() -> None:
    """Serve until stdin ends."""
    shared = mmap.mmap(int(sys.argv[1]), SLOTS * SLOT_BYTES)
    decoder = FilmDecoder(np.frombuffer(shared, np.uint8).reshape(SLOTS, SLOT_BYTES))
    cv2.setNumThreads(1)  # for colours; FFmpeg has threads of its own
    sys.stdin.readline()  # the first line tells nothing
    limit_memory(MAX_MEMORY)
    print(json.dumps(READY), flush=True)
    for line in sys.stdin:
        print(json.dumps(decoder.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, BrokenPipeError):
        main()
