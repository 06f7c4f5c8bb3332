"""Weights that a training script serves on this machine (`deepvis_toolbox.watch`), as checkpoints in files."""

from __future__ import annotations

import re
import tempfile
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.work.checkpoints import Checkpoint, CheckpointWatch
from deepvis_toolbox.training_view import LOCAL, PATIENCE, STEP, WEIGHTS

_ADDRESS = re.compile(r"(?:localhost|127\.0\.0\.1):(\d{1,5})")
LARGEST = 8 << 30
"""Bytes; as of files with weights."""
_PIECE = 1 << 20


def served_port(text: str) -> int | None:
    """Return the port of `localhost:PORT`; None for what is a file's or a folder's name. `ToolboxError` for no port."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return None
    if not 0 < int(match[1]) < 65536:
        raise ToolboxError(f'"{text}": a port is 1 to 65535')
    return int(match[1])


class ServedCheckpoints(CheckpointWatch):
    """Of a training script's own; silent while nobody serves any. The next weights are asked for when the last ones
    have been opened: so these are there as long as that takes, and none are sent in vain."""

    def __init__(self, port: int, tell: Callable[[Checkpoint], object]) -> None:
        super().__init__(tell)
        self._port = port
        self._may_ask = threading.Event()
        self._may_ask.set()
        self._folder = tempfile.TemporaryDirectory(prefix="deepvis-watch-")

    def look(self) -> Checkpoint | None:
        """Ask for weights; None where there is no training yet, or none any more."""
        if not self._may_ask.wait(self._seconds):
            return None
        try:
            found = fetch_served(self._port, Path(self._folder.name))
        except (OSError, HTTPException, ValueError):
            return None
        if found:
            self._may_ask.clear()
        return found

    def opened(self) -> None:
        """Note that the weights told last have been read, and may go."""
        self._may_ask.set()

    def close(self) -> None:
        """Stop asking; what was told is removed."""
        super().close()
        self._folder.cleanup()


def fetch_served(port: int, folder: Path) -> Checkpoint | None:
    """Return the next weights, written into the folder in place of the last ones; None where there are none yet.

    Raises OSError, HTTPException or ValueError where nobody serves any, or not as it should be.
    """
    connection = HTTPConnection(LOCAL, port, timeout=PATIENCE + 10)
    try:
        connection.request("GET", WEIGHTS)
        answer = connection.getresponse()
        length = int(answer.headers.get("Content-Length") or 0)
        if answer.status != 200 or not 0 < length <= LARGEST:
            return None
        step = re.sub(r"[^\w.+-]", "_", answer.headers.get(STEP) or "")[:40]
        path = folder / f"step {step}.pt"
        with path.open("wb") as file:
            while piece := answer.read(_PIECE):
                file.write(piece)
        if path.stat().st_size != length:
            return None
        for former in folder.glob("*.pt"):
            if former != path:
                former.unlink()
        return Checkpoint(path, (time.time_ns(), length))
    finally:
        connection.close()
