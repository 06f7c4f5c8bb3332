"""The door for films and streams that may be anybody's: each is decoded in a process of its own, within its budget."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError, os_reason_of
from deepvis_toolbox.sources.capture import CAPTURE_OPTIONS, Capture, FrameNotReady, open_video
from deepvis_toolbox.sources.film_budget import BYTES_AHEAD, MAX_WAIT, SLOTS
from deepvis_toolbox.sources.film_process import IS_POSSIBLE, Film, FilmError, FilmProcess, how_it_died, pool
from deepvis_toolbox.sources.isolated_process import OUT_OF_TIME, DecoderKilledError
from deepvis_toolbox.sources.picture_budget import MAX_PIXELS
from deepvis_toolbox.sources.shared_memory import beyond_the_streams

READ_SECONDS = 0.5
"""`read` waits so long at a time: whoever closes a film waits a second for it."""


def open_film(film: Film) -> Capture | None:
    """Return the opened film; None where FFmpeg finds nothing in it that it can decode.

    `FilmError` where it takes more memory or time than it may, ends its process, or no process can be started. May be
    called from any thread.
    """
    if not IS_POSSIBLE:
        if film.options is not None:
            os.environ[CAPTURE_OPTIONS] = film.options
        return open_video(film.address)
    return _opened(film, lambda: pool.take(film))


def open_file(path: str) -> Capture | None:
    """Return the film in the file of an absolute path, as `open_film` does."""
    return open_film(Film(path, can_go_on=True))


def open_standard_input() -> Capture | None:
    """Return the film that another program writes to this one's standard input, as `open_film` does."""
    if not IS_POSSIBLE:
        return open_film(Film("pipe:0"))
    descriptor = beyond_the_streams(os.dup(0))  # the other process's own stdin brings its jobs
    return _opened(Film(f"pipe:{descriptor}", comes_late=True), lambda: FilmProcess(descriptor))


def _opened(film: Film, start: Callable[[], FilmProcess]) -> Capture | None:
    process = None
    try:
        process = start()
        properties = process.open(film)
    except BaseException as error:
        if process is not None:
            process.close()
        raise _film_error(error) from None
    if properties is None:
        pool.keep(film, process)
        return None
    return FilmCapture(film, process, properties)


class FilmCapture:
    """A film that another process decodes, ahead of whoever reads it."""

    def __init__(self, film: Film, process: FilmProcess, properties: dict[str, Any]) -> None:
        self._film, self._properties = film, properties
        self._process: FilmProcess | None = process
        self._is_at_end = False
        self._taken, self._lost_at, self._since = 0, -1, 0.0
        self._order_ahead(process)

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        """Return whether there is another frame, and the frame, BGR uint8 H×W×3: a view of RGB values.

        `FrameNotReady` where it takes more than `READ_SECONDS`: read again. `FilmError` where it takes more memory or
        time than it may, or ends its process (of a file: at the same place twice). Nothing is read behind an error.
        """
        if self._process is None or self._is_at_end:
            return False, None
        try:
            match self._answer(self._process):
                case {"size": [int(height), int(width)]} if min(height, width) > 0 and height * width <= MAX_PIXELS:
                    image = self._process.pixels((height, width))
                case {"end": True}:
                    self._is_at_end = True
                    return False, None
                case {"reason": str(reason)}:
                    raise FilmError(reason)
                case _:
                    raise FilmError("the answer of the process that decodes it makes no sense")
            self._process.order()
        except FrameNotReady:
            raise
        except BaseException as error:  # Ctrl-C among them: an answer may be on its way
            self._close()
            raise _film_error(error) from None
        self._taken += 1
        return True, image[..., ::-1]

    def get(self, prop: int, /) -> float:
        """Return one of `film_worker.TOLD`, 0 for others."""
        value = self._properties.get(str(prop))
        return float(value) if isinstance(value, int | float) else 0.0

    def release(self) -> None:
        """End the process; at a film's end it is kept for a while, so that the film can be shown again at once."""
        if self._process is not None and self._is_at_end and self._process.is_done():
            pool.keep(self._film, self._process)
            self._process = None
        self._close()

    def __del__(self) -> None:
        with suppress(Exception):  # at the end of the program what it needs may be gone
            self._close()

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def _answer(self, process: FilmProcess) -> dict[str, Any]:
        self._since = self._since or time.monotonic()
        answer = process.next_answer(READ_SECONDS)
        if answer is None and (self._film.comes_late or time.monotonic() - self._since < MAX_WAIT):
            raise FrameNotReady
        self._since = 0.0
        if isinstance(answer, dict):
            return answer
        if answer is None:
            process.restart()
            self._go_on(process, f"it took more than {MAX_WAIT:.0f} s")
        else:
            self._go_on(process, how_it_died(answer), may_try=-answer not in OUT_OF_TIME)
        raise FrameNotReady

    def _go_on(self, process: FilmProcess, why: str, may_try: bool = True) -> None:
        """Let a new process go on at the same place, once for each place. `FilmError` where that cannot be."""
        if not (may_try and self._film.can_go_on) or self._taken == self._lost_at:
            raise FilmError(why)
        self._lost_at = self._taken
        if process.open(self._film, self._taken) is None:
            raise FilmError(why)
        self._order_ahead(process)

    def _order_ahead(self, process: FilmProcess) -> None:
        frame = 3.0 * self.get(cv2.CAP_PROP_FRAME_WIDTH) * self.get(cv2.CAP_PROP_FRAME_HEIGHT)
        ahead = BYTES_AHEAD / frame if frame > 0 else SLOTS
        for _ in range(int(min(SLOTS, max(2.0, ahead)))):
            process.order()


def _film_error(error: BaseException) -> BaseException:
    """Return what a reader is told of an error."""
    match error:
        case FilmError():
            return error
        case MemoryError():
            return FilmError("there is no memory left for its pixels")
        case OSError():
            return FilmError(os_reason_of(error))
        case DecoderKilledError():
            return FilmError("the processes that decode it are killed before they are ready; memory may be short")
        case ToolboxError():
            return FilmError(str(error))
    return error
