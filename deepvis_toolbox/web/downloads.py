"""What keys save becomes files that the browser keeps: nothing that a viewer does is written on the server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import sentence_of
from deepvis_toolbox.live.pictures.shooter import Shooter
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot

NO_FILMS = "films are made on the server's own machine: in the desktop's window, or with --headless --record"
NO_GROWING = "pictures are not made on demand in the browser: they would be written on the server"


class Downloads(Shooter):
    """Saves into a folder of its own, hands the files on and removes them. A screenshot tells no settings of the
    server."""

    def __init__(self, deliver: Callable[[str, bytes], None]) -> None:
        """Take `deliver`: called with a file's name and what it holds, from another thread."""
        self._kept = TemporaryDirectory(prefix="deepvis-web-")
        super().__init__(Path(self._kept.name), {})
        self._deliver = deliver

    def follow(self, state: State, snapshot: Snapshot | None, pixels: NDArray[np.uint8]) -> str:
        """Save what the state orders of a window, RGB uint8 H×W×3, and refuse what would be written on the server."""
        told = ""
        if state.orders.toggle_recording:
            state.orders.toggle_recording, told = False, NO_FILMS
        if state.orders.grow:
            state.orders.grow, told = frozenset(), NO_GROWING
        return super().follow(state, snapshot, pixels) or told

    def close(self) -> None:
        """Wait until the last file is handed on, and remove the folder."""
        super().close()
        self._kept.cleanup()

    def _save(self, save: Callable[[], Path], what: str) -> None:
        try:
            path = save()
            names = []
            for file in sorted(path.parent.glob(f"{path.stem}.*")):
                self._deliver(file.name, file.read_bytes())
                file.unlink()
                names.append(file.name)
            self._outcomes.put(f"sent to your browser: {' and '.join(names)}")
        except Exception as error:
            self._outcomes.put(f"no {what} saved: {sentence_of(error)}")
