"""Saves screenshots in a thread of its own: a window must not stand still while a file is written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import sentence_of
from deepvis_toolbox.live.pictures.saved_values import save_values
from deepvis_toolbox.live.pictures.screenshot import free_path, save_screenshot
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.mailbox import Mailbox


class Shooter:
    """`shoot` returns at once; `outcome` tells how it went."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Take `settings`, which are written into every picture's metadata."""
        self._folder = folder
        self._settings = settings
        self._outcomes: Mailbox[str] = Mailbox()
        self._thread: threading.Thread | None = None

    def shoot(self, pixels: NDArray[np.uint8], state: State, snapshot: Snapshot | None) -> None:
        """Save a copy of RGB pixels H×W×3; one picture at a time, a second one waits for the first."""
        frozen, pixels = _as_now(state), pixels.copy()

        def save() -> Path:
            path = free_path(self._folder, datetime.now(), "png")
            save_screenshot(path, pixels, frozen, snapshot, self._settings)
            return path

        self._start(save, "screenshot")

    def keep_values(self, state: State, snapshot: Snapshot | None) -> None:
        """Save the shown layer's values; in its turn like a screenshot."""
        frozen = _as_now(state)
        self._start(lambda: save_values(self._folder, datetime.now(), frozen, snapshot, self._settings), "values")

    def _start(self, save: Callable[[], Path], what: str) -> None:
        self.close()
        self._thread = threading.Thread(target=self._save, args=(save, what), name=what)
        self._thread.start()

    def outcome(self) -> str | None:
        """Return a sentence about the last picture, once."""
        return self._outcomes.get(timeout=0)

    def close(self) -> None:
        """Wait until the last picture is on the disk."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _save(self, save: Callable[[], Path], what: str) -> None:
        try:
            self._outcomes.put(f"saved {save()}")
        except Exception as error:
            self._outcomes.put(f"no {what} saved: {sentence_of(error)}")


def _as_now(state: State) -> State:
    """Return a copy that keys pressed meanwhile do not change."""
    return replace(state, view=replace(state.view), facts=replace(state.facts))
