"""Watches the weights of a network that is being trained: the newest checkpoint, once it is written whole."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deepvis_toolbox.words.weights_files import ENDINGS

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


class CheckpointWatch(ABC):
    """Looks for new weights in a thread of its own, and tells of each once."""

    def __init__(self, tell: Callable[[Checkpoint], object], seconds: float = POLL_SECONDS) -> None:
        """`tell` is called in the watch's thread; `seconds` lie between two looks where there was nothing new."""
        self._tell, self._seconds = tell, seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)

    def opened(self) -> None:  # noqa: B027 - where files stay, nothing hangs on it
        """Note that the weights told last have been read."""

    @abstractmethod
    def look(self) -> Checkpoint | None:
        """Return weights that are new and whole; None where there are none."""

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """End the thread, once its last look is over; that is not waited for long."""
        self._stopped.set()
        self._thread.join(2 * self._seconds)

    def _run(self) -> None:
        while not self._stopped.is_set():
            found = self.look()
            if self._stopped.is_set():
                return
            if found is not None:
                self._tell(found)
            self._stopped.wait(0 if found else self._seconds)


class FileWatch(CheckpointWatch):
    """Of a file, or of a folder's newest; told once it has stood still from one look to the next."""

    def __init__(self, where: Path, tell: Callable[[Checkpoint], object], seconds: float = POLL_SECONDS) -> None:
        super().__init__(tell, seconds)
        self._where = where
        self._told: Checkpoint | None = None
        self._last: Checkpoint | None = None

    def look(self) -> Checkpoint | None:
        """Return the newest file, where it was the same at the last look and has not been told."""
        last, self._last = self._last, newest_checkpoint(self._where)
        if self._last is None or self._last != last or self._last == self._told:
            return None
        self._told = self._last
        return self._told
