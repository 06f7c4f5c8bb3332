"""Saves screenshots in a thread of its own: a window must not stand still while a file is written."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.atomic_files import ABANDONED_SECONDS, remove_partial_files
from deepvis_toolbox.errors import sentence_of
from deepvis_toolbox.live.pictures.screenshot import save_screenshot, screenshot_path
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
        self.close()
        remove_partial_files(self._folder, ABANDONED_SECONDS)
        path = screenshot_path(self._folder, datetime.now())
        job = (path, pixels.copy(), replace(state, view=replace(state.view), facts=replace(state.facts)), snapshot)
        self._thread = threading.Thread(target=self._save, args=job, name="screenshot")
        self._thread.start()

    def outcome(self) -> str | None:
        """Return a sentence about the last picture, once."""
        return self._outcomes.get(timeout=0)

    def close(self) -> None:
        """Wait until the last picture is on the disk."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _save(self, path: Path, pixels: NDArray[np.uint8], state: State, snapshot: Snapshot | None) -> None:
        try:
            save_screenshot(path, pixels, state, snapshot, self._settings)
            self._outcomes.put(f"saved {path}")
        except Exception as error:
            self._outcomes.put(f"no screenshot: {sentence_of(error)}")
