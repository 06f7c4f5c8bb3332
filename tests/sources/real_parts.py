"""Real videos, real servers and a camera that can be unplugged, for the tests of sources."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np

VIDEO_FRAMES = 12
VIDEO_RATE = 20.0


def shade(number: int) -> int:
    """The grey of frame `number` of the test video, told apart after compression."""
    return 10 + 20 * number


def write_video(path: Path, frames: int = VIDEO_FRAMES, rate: float = VIDEO_RATE) -> Path:
    """A video whose left half is frame-numbered grey and whose right half is red."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, (64, 48))
    assert writer.isOpened()
    for number in range(frames):
        image = np.full((48, 64, 3), shade(number), np.uint8)
        image[:, 32:] = (0, 0, 255)
        writer.write(image)
    writer.release()
    return path


def frame_number(image: np.ndarray) -> int:
    """Which frame of the test video `image` is."""
    return round((float(image[:, 4:28].mean()) - 10) / 20)


class FakeCamera:
    """A camera on a cable: while `plugged` it gives numbered frames, otherwise it neither opens nor reads."""

    def __init__(self) -> None:
        self.plugged = True
        self.opened = 0
        self.released = 0
        self.hanging: threading.Event | None = None

    def open(self, *_: object) -> FakeCamera | None:
        if not self.plugged:
            return None
        self.opened += 1
        return self

    def read(self) -> tuple[bool, np.ndarray | None]:
        if self.hanging is not None:
            self.hanging.wait(30)
        time.sleep(0.005)  # a camera's own rate
        if not self.plugged:
            return False, None
        image = np.zeros((6, 8, 3), np.uint8)
        image[:, :4] = (255, 0, 0)  # BGR: the left half is blue
        return True, image

    def get(self, prop: int) -> float:
        return -1.0 if prop == cv2.CAP_PROP_FRAME_COUNT else 30.0

    def release(self) -> None:
        self.released += 1


class MotionJpeg(BaseHTTPRequestHandler):
    """Sends the pictures of the test video for ever, as network cameras do."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        number = 0
        while not self.server.stopped.is_set():  # type: ignore[attr-defined]
            image = np.full((48, 64, 3), shade(number % VIDEO_FRAMES), np.uint8)
            image[:, 32:] = (0, 0, 255)
            data = cv2.imencode(".jpg", image)[1].tobytes()
            try:
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data))
                self.wfile.write(data + b"\r\n")
            except OSError:
                return
            number += 1
            self.server.stopped.wait(0.02)  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass


class Files(SimpleHTTPRequestHandler):
    """Serves a folder, with the ranges that a video player asks for left out, as simple servers do."""

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, handler: Callable[..., BaseHTTPRequestHandler], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), handler)  # type: ignore[arg-type]
        self.stopped = threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def stop(self) -> None:
        self.stopped.set()
        self.shutdown()
        self.server_close()


def read_until(read: Callable[[], object], wanted: Callable[[], bool], seconds: float = 5.0) -> None:
    """Calls `read` until `wanted` is true; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < end, "it did not come in time"
        read()
