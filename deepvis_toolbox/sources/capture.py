"""OpenCV's video captures: opened with time limits and without its chatter, frames as RGB."""

from __future__ import annotations

import math
import os
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

OPEN_TIMEOUT_MS = 5000
READ_TIMEOUT_MS = 3000
MOST_THREADS = 16
"""For one film; each of them keeps frames. FFmpeg, left alone, takes no more either."""
CAPTURE_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
"""The variable of the environment where OpenCV looks for FFmpeg's options when a capture opens."""


class FrameNotReady(Exception):  # noqa: N818 - nothing is wrong
    """The next frame takes its time: it may be asked for again."""


class Capture(Protocol):
    """The part of `cv2.VideoCapture` that is used here; tests put their own in its place."""

    def read(self) -> tuple[bool, Any]:
        """Return success, and a BGR uint8 picture. May raise `FrameNotReady`."""

    def get(self, prop: int, /) -> float:
        """Return a property by OpenCV's number."""
        ...

    def release(self) -> None:
        """Let the device or the file go."""
        ...


def open_video(address: str) -> Capture | None:
    """Return the video file or stream at `address`, or None; a server that does not answer is given up after some
    seconds."""
    _be_quiet()
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS,
              cv2.CAP_PROP_N_THREADS, min(MOST_THREADS, cv2.getNumberOfCPUs())]  # fmt: skip
    if cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG):
        return _opened(cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits))
    return _opened(cv2.VideoCapture(address))  # the other backends know no time limits


def open_camera(device: int | str, width: int | None, height: int | None, fps: float | None) -> Capture | None:
    """Return the camera with that number or path, or None. Sizes in pixels; the camera takes the nearest it has."""
    _be_quiet()
    capture = _opened(cv2.VideoCapture(device, camera_backend()))
    if capture is None:
        return None
    if max(width or 0, height or 0) > 640:  # uncompressed, USB carries larger pictures only a few times a second
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    wishes = {cv2.CAP_PROP_FRAME_WIDTH: width, cv2.CAP_PROP_FRAME_HEIGHT: height, cv2.CAP_PROP_FPS: fps}
    for prop, value in wishes.items():
        if value is not None:
            capture.set(prop, value)
    return capture


def camera_backend() -> int:
    """On Linux only V4L2 is asked: the others cannot open cameras, and say so at length."""
    return cv2.CAP_V4L2 if cv2.videoio_registry.hasBackend(cv2.CAP_V4L2) else cv2.CAP_ANY


def frame_rate(capture: Capture, default: float = 25.0) -> float:
    """Return frames a second as the file says, where that makes sense; `default` otherwise."""
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if math.isfinite(rate) and 0.1 <= rate <= 240 else default


def is_finite(capture: Capture) -> bool:
    """Return whether it has an end: a file rather than a live stream."""
    return capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0


def to_rgb(
    image: NDArray[np.uint8], mirror: bool = False, target: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Return a captured picture (grey, BGR or BGRA) as RGB, left and right swapped where `mirror` says so.

    What is a view of RGB values is not copied. `target`: uint8 H×W×3, where the values go."""
    if image.ndim == 3 and image.shape[2] == 3 and image[..., ::-1].flags.c_contiguous and not mirror:
        return image[..., ::-1]
    if image.ndim == 2 or image.shape[2] == 1:
        rgb = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB, dst=target)
    else:
        rgb = cv2.cvtColor(image, cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB, dst=target)
    return np.asarray(cv2.flip(rgb, 1) if mirror else rgb, dtype=np.uint8)


def _opened(capture: cv2.VideoCapture) -> cv2.VideoCapture | None:
    if capture.isOpened():
        return capture
    capture.release()
    return None


def _be_quiet() -> None:
    """Silence what OpenCV and FFmpeg print on each attempt: the toolbox says it itself.

    Their variables in the environment switch it on again.
    """
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
