"""Films a window in a thread of its own: encoding takes time, and OpenCV opens one file or stream after the other."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

from deepvis_toolbox.drawing.film import Film
from deepvis_toolbox.errors import ToolboxError, sentence_of
from deepvis_toolbox.words.images import RGBImage

_log = logging.getLogger(__name__)

MOST_WAITING = 4
"""Windows that are kept while the film is behind; then the newest takes the place of the one before it."""
SECONDS_TO_FINISH = 10.0
"""How long a film that is behind goes on after its end: nobody waits for minutes for a window to close."""
SECONDS_BETWEEN_LOOKS = 1.0
"""Of a window that stands still: a process that is killed loses no more than that, and what the recording holds."""


class _Window(NamedTuple):
    frame: int
    """The film's first frame that shows it."""
    pixels: RGBImage


class WindowFilm:
    """A context manager; `add` returns at once. The film takes as long as it took, from the first window to `end`.

    A window is shown until the next; of several within one frame, the last. Where encoding is slower than the window,
    windows are left out, and each that is not keeps its time; at the end it catches up for `SECONDS_TO_FINISH`, and
    `missing` says what it lacks then.
    """

    def __init__(self, film: Film, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Take `rate`: the film's frames a second."""
        self._film, self._rate, self._clock = film, rate, clock
        self._began: float | None = None
        self._changed = threading.Condition()
        self._waiting: deque[_Window] = deque()
        self._end: int | None = None
        self._deadline = float("inf")
        self._written = 0
        self.missing = 0.0
        """Seconds that the end of the film lacks, where encoding was too slow."""
        self.problem: ToolboxError | None = None
        """Why the film has stopped, where it has."""
        self._thread = threading.Thread(target=self._run, name="film")
        self._thread.start()

    def add(self, pixels: RGBImage) -> None:
        """Film a window, RGB uint8 H×W×3, from now on; nothing, where the film has stopped."""
        if self.problem is not None:
            return
        self._began = self._clock() if self._began is None else self._began
        window = _Window(self._due(), pixels.copy())
        with self._changed:
            if len(self._waiting) == MOST_WAITING:
                self._waiting.pop()
            self._waiting.append(window)
            self._changed.notify()

    def end(self) -> None:
        """Let the film end here; `close` waits for it."""
        with self._changed:
            if self._end is None:
                self._end, self._deadline = self._due(), time.monotonic() + SECONDS_TO_FINISH
            self._changed.notify()

    def close(self) -> None:
        """End the film, wait until it is on the disk. `ToolboxError` where it is not whole."""
        self.end()
        self._thread.join()
        self._film.close()
        if self.missing:
            _log.warning(
                "the film lacks its last %.1f seconds: it was encoded more slowly than it was shown", self.missing
            )
        if self.problem is not None:
            raise self.problem

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.close()
        except ToolboxError:
            if error is None:
                raise

    def _due(self) -> int:
        return 0 if self._began is None else int((self._clock() - self._began) * self._rate)

    def _run(self) -> None:
        try:
            self._write_all()
        except ToolboxError as error:
            self.problem = error
        except Exception as error:  # of OpenCV, say: who films must hear of it
            self.problem = ToolboxError(f"no more could be filmed: {sentence_of(error)}")

    def _write_all(self) -> None:
        shown: RGBImage | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._end is not None, SECONDS_BETWEEN_LOOKS)
                window = self._waiting.popleft() if self._waiting else None
                end = self._end
            if end is not None and time.monotonic() > self._deadline:
                self.missing = (end - self._written) / self._rate
                return
            if window is not None:
                self._write(shown, window.frame)
                shown = window.pixels
            elif end is not None:
                self._write(shown, max(end, 1))
                self.missing = max(0, end - self._written) / self._rate
                return
            else:
                self._write(shown, self._due())

    def _write(self, pixels: RGBImage | None, until: int) -> None:
        """Write a window again and again until the film has so many frames."""
        while pixels is not None and self._written < until and time.monotonic() < self._deadline:
            self._film.add(pixels)
            self._written += 1
