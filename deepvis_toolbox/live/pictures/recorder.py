"""Films of the window that a key begins and ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from deepvis_toolbox.drawing.film import Film
from deepvis_toolbox.errors import ToolboxError, shown_path
from deepvis_toolbox.live.pictures.screenshot import free_path
from deepvis_toolbox.mailbox import Mailbox
from deepvis_toolbox.words.images import RGBImage


class Recorder:
    """`toggle` and `add` return at once; the last film is finished in a thread of its own, and `outcome` tells how.

    A film takes as long as it took: a window that stood still is filmed for as long as it did.
    """

    def __init__(self, folder: Path, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Take `rate`: the film's frames a second."""
        self._folder, self._rate, self._clock = folder, rate, clock
        self._began, self._frames = 0.0, 0
        self._last: RGBImage | None = None
        self._film: Film | None = None
        self._path = Path()
        self._outcomes: Mailbox[str] = Mailbox()
        self._ending: threading.Thread | None = None

    @property
    def is_recording(self) -> bool:
        """Whether windows are being filmed."""
        return self._film is not None

    def toggle(self) -> str:
        """Begin a film, or end it; return a sentence about that."""
        if self._film is not None:
            film = self._film
            if problem := self._stand_still():
                return problem
            self._film = None
            self._ending = threading.Thread(target=self._end, args=(film, self._path), name="film")
            self._ending.start()
            return "finishing the film …"
        self.close()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._path = free_path(self._folder, datetime.now(), "mp4")
            self._film = Film(self._path, self._rate)
            self._began, self._frames, self._last = self._clock(), 0, None
        except (OSError, ToolboxError) as error:
            return f"no film: {error}"
        return f"recording to {shown_path(self._path)}"

    def add(self, pixels: RGBImage) -> str:
        """Film a window, RGB uint8 H×W×3, where a film has begun; return why the film has stopped, mostly nothing."""
        if self._film is None:
            return ""
        problem = self._stand_still()
        self._last = pixels.copy()
        return problem or self._write(self._last)

    def _stand_still(self) -> str:
        """Film the last window for as long as it has stood by now."""
        due = int((self._clock() - self._began) * self._rate)
        problem = ""
        while self._last is not None and self._frames < due and not problem:
            problem = self._write(self._last)
        return problem

    def _write(self, pixels: RGBImage) -> str:
        film = self._film
        assert film is not None
        try:
            film.add(pixels)
        except ToolboxError as error:
            self._film = None
            self._end(film, self._path)
            return f"the film has stopped: {error}"
        self._frames += 1
        return ""

    def outcome(self) -> str | None:
        """Return a sentence about the last film, once."""
        return self._outcomes.get(timeout=0)

    def close(self) -> None:
        """End a film that is being made, and wait until it is on the disk."""
        if self._film is not None:
            self.toggle()
        if self._ending is not None:
            self._ending.join()
            self._ending = None

    def _end(self, film: Film, path: Path) -> None:
        try:
            film.close()
            self._outcomes.put(f"saved {shown_path(path)}")
        except ToolboxError as error:
            self._outcomes.put(str(error))
