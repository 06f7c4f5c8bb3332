"""Watches the weights of a network that is being trained: the newest checkpoint, once it is written whole."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ENDINGS = (".pt", ".pth", ".ckpt", ".bin", ".caffemodel", ".h5")
"""What files with weights are called."""
POLL_SECONDS = 0.5
"""A file that has not changed from one look to the next counts as written."""


@dataclass(frozen=True)
class Checkpoint:
    """Weights as they were at one time."""

    path: Path
    stamp: tuple[int, int]
    """When the file was written, nanoseconds, and its size in bytes: tells one writing of it from the next."""

    @property
    def name(self) -> str:
        """What the window calls it."""
        return self.path.name


def newest_checkpoint(where: Path) -> Checkpoint | None:
    """Return the file, or the folder's newest file with weights; None while there is none, or it is empty."""
    try:
        if not where.is_dir():
            return _stamped(where)
        with os.scandir(where) as entries:
            named = [Path(entry.path) for entry in entries if entry.name.lower().endswith(ENDINGS)]
    except OSError:
        return None
    found = [stamped for path in named if not path.name.startswith(".") and (stamped := _stamped(path))]
    return max(found, key=lambda each: (each.stamp[0], each.path.name), default=None)


def _stamped(path: Path) -> Checkpoint | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return Checkpoint(path, (status.st_mtime_ns, status.st_size)) if path.is_file() and status.st_size else None


class CheckpointWatch:
    """Looks at a file or folder in a thread of its own, and tells of each new checkpoint once."""

    def __init__(self, where: Path, tell: Callable[[Checkpoint], None], seconds: float = POLL_SECONDS) -> None:
        """`tell` is called in the watch's thread."""
        self._where, self._tell, self._seconds = where, tell, seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        told, last = None, None
        while not self._stopped.is_set():
            found = newest_checkpoint(self._where)
            if found is not None and found == last and found != told:
                told = found
                self._tell(found)
            last = found
            self._stopped.wait(self._seconds)
