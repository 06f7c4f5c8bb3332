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
from deepvis_toolbox.live.pictures.window_film import WindowFilm
from deepvis_toolbox.mailbox import Mailbox
from deepvis_toolbox.words.images import RGBImage


class Recorder:
    """`toggle` and `add` return at once; the last film is finished in a thread of its own, and `outcome` tells how."""

    def __init__(self, folder: Path, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Take `rate`: the film's frames a second."""
        self._folder, self._rate, self._clock = folder, rate, clock
        self._film: WindowFilm | None = None
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
            film, self._film = self._film, None
            film.end()
            self._begin_finishing(film)
            return "finishing the film …"
        if self._ending is not None and self._ending.is_alive():
            return "the last film is still being finished"
        self.close()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._path = free_path(self._folder, datetime.now(), "mp4")
            self._film = WindowFilm(Film(self._path, self._rate), self._rate, self._clock)
        except (OSError, ToolboxError) as error:
            return f"no film: {error}"
        return f"recording to {shown_path(self._path)}"

    def add(self, pixels: RGBImage) -> str:
        """Film a window, RGB uint8 H×W×3, where a film has begun; return why the film has stopped, mostly nothing."""
        if self._film is None:
            return ""
        self._film.add(pixels)
        if self._film.problem is None:
            return ""
        told, film, self._film = f"the film has stopped: {self._film.problem}", self._film, None
        self._begin_finishing(film)
        return told

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

    def _begin_finishing(self, film: WindowFilm) -> None:
        self._ending = threading.Thread(target=self._finish, args=(film, self._path), name="end of a film")
        self._ending.start()

    def _finish(self, film: WindowFilm, path: Path) -> None:
        try:
            film.close()
            lacks = f"; it lacks its last {film.missing:.1f} s: encoding was too slow" if film.missing else ""
            self._outcomes.put(f"saved {shown_path(path)}{lacks}")
        except ToolboxError as error:
            self._outcomes.put(str(error))
