"""What a page in a browser says to the server: messages, and its camera's pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from deepvis_toolbox.web.browser_window import BrowserWindow
from deepvis_toolbox.web.messages import ChosenSource, Shown, parse_message
from deepvis_toolbox.web.page_source import camera_pixels
from tests.fuzz.harness import Files, Harness, harness

_MESSAGES = (
    {"kind": "size", "width": 1500, "height": 930, "ratio": 1.5},
    {"kind": "key", "key": "ArrowLeft", "code": "ArrowLeft", "shift": True, "repeats": False, "up": False},
    {"kind": "key", "key": "й", "code": "KeyQ", "shift": False, "repeats": True, "up": True},
    {"kind": "press", "name": "shift+left"},
    {"kind": "pointer", "what": "wheel", "x": 10, "y": -20, "turns": -3, "shift": False},
    {"kind": "pointer", "what": "double click", "x": 10, "y": 20},
    {"kind": "shown", "frame": 4294967295},
    {"kind": "source", "place": 1},
)


@harness("web-message")
class WebMessages(Harness):
    """Messages of a page in a browser (`--web`)."""

    def seeds(self) -> list[Files]:
        return [{"message.json": json.dumps(message).encode()} for message in _MESSAGES]

    def use(self, folder: Path) -> None:
        message = parse_message((folder / "message.json").read_bytes().decode(errors="replace"))
        if isinstance(message, Shown | ChosenSource):
            return
        window = BrowserWindow(85, lambda: None)
        window.take(message)
        assert window.scale > 0
        window.wait_key_code(1)
        window.mouse_events()

    def former_failures(self) -> Mapping[str, Files]:
        return {
            "half a character": {"message.json": b'{"kind": "press", "name": "\\ud800"}'},
            "brackets without end": {"message.json": b"[" * 2000},
            "a number without end": {"message.json": b'{"kind": "source", "place": ' + b"9" * 1900 + b"}"},
        }


@harness("web-camera")
class CameraPictures(Harness):
    """Pictures of a page's camera (`--web`)."""

    def seeds(self) -> list[Files]:
        picture = np.random.RandomState(0).randint(0, 256, (24, 32, 3), np.uint8)
        kinds = ([], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_QUALITY, 10])
        return [{"camera.jpg": cv2.imencode(".jpg", picture, how)[1].tobytes()} for how in kinds]

    def use(self, folder: Path) -> None:
        camera_pixels((folder / "camera.jpg").read_bytes())
