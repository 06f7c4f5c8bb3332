"""Films, as the process that decodes them reads them."""

from __future__ import annotations

import re
import tempfile
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources import film_worker
from deepvis_toolbox.sources.film_budget import SLOT_BYTES
from deepvis_toolbox.sources.film_worker import FilmDecoder
from tests.fuzz.harness import Files, Harness, harness

_KINDS = {"film.avi": "MJPG", "film.mp4": "mp4v", "film.mkv": "FFV1"}
_FRAMES = 6
_CHANCE = re.compile(rb"(\xbf\x84).{4}|(\x73\xa4\x90).{16}|(\x73\xc5\x88|\x63\xc5\x88).{8}", re.DOTALL)
"""What Matroska's writer draws by lot, the numbers of a file and its tracks, and the checksums of that."""


def _zeroed(found: re.Match[bytes]) -> bytes:
    name = next(filter(None, found.groups()))
    return name + bytes(len(found[0]) - len(name))


@cache
def _written(name: str, codec: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 25.0, (48, 32))
        for number in range(_FRAMES):
            writer.write(np.random.RandomState(number).randint(0, 255, (32, 48, 3), np.uint8))
        writer.release()
        return _CHANCE.sub(_zeroed, path.read_bytes())


@cache
def _slot() -> NDArray[np.uint8]:
    return np.empty((1, SLOT_BYTES), np.uint8)


@harness("film")
class Films(Harness):
    """Videos of three containers: opened, and decoded to their end."""

    def seeds(self) -> list[Files]:
        return [{name: _written(name, codec)} for name, codec in _KINDS.items()]

    def use(self, folder: Path) -> None:
        decoder = FilmDecoder(_slot())
        with patch.object(film_worker, "within_seconds", lambda _: nullcontext()):  # the harness has a limit of its own
            path = str(next(folder.iterdir()).resolve())
            answer = decoder.answer({"open": path, "options": None, "skip": 0})
            frames = 0
            while "properties" in answer or "size" in answer:
                answer = decoder.answer({"slot": 0})
                frames += "size" in answer
                if frames > 10 * _FRAMES:
                    break
        if not frames:
            raise ToolboxError(answer.get("reason", "no frame can be decoded"))
