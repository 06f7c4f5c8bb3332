"""Processes that decode one film or stream each; those at a film's end are kept for a while."""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources import film_worker
from deepvis_toolbox.sources.film_budget import MAX_WAIT, SECONDS_TO_SKIP, SLOT_BYTES, SLOTS
from deepvis_toolbox.sources.isolated_process import (
    FROM_OUTSIDE,
    OUT_OF_TIME,
    IsolatedProcess,
    SilentProcessError,
    how_it_ended,
)
from deepvis_toolbox.sources.shared_memory import read_at, shared_memory

SECONDS_TO_END = 1.0
_MOST_KEPT = 2
IS_POSSIBLE = os.name == "posix"
"""Windows cannot hand a memory without a name to another process: there, films are decoded in this one."""


@dataclass(frozen=True)
class Film:
    """What is decoded."""

    address: str
    """As FFmpeg takes it: an absolute path, a URL."""
    options: str | None = None
    """FFmpeg's, as OpenCV's variable in the environment writes them; None: those of the environment."""
    can_go_on: bool = False
    """Opened again it begins with the same frames: a file."""
    comes_late: bool = False
    """Whoever writes it may take any time for a frame: a pipe."""


class FilmError(ToolboxError):
    """A film that nothing more can be decoded of; the reason alone, without its name."""


def how_it_died(status: int) -> str:
    """Return what became of a process, in words that follow a film's name."""
    if -status in FROM_OUTSIDE:
        return f"the process that decodes it was killed ({how_it_ended(status)}); memory may be short"
    return f"it ended the process that decodes it ({how_it_ended(status)})"


class FilmProcess:
    """A process with the memory that it shares, and the frames that it has been asked for. No two threads at a time."""

    def __init__(self, descriptor: int | None = None) -> None:
        """Take `descriptor`: an open file that the process reads; it is closed here with the process.

        OSError, `ToolboxError` where no process can be started."""
        memory = shared_memory(SLOTS * SLOT_BYTES)
        self._descriptors = [memory, *([] if descriptor is None else [descriptor])]
        self.can_be_kept = descriptor is None
        self._asked = self._answered = 0
        try:
            self._process = IsolatedProcess(film_worker.__name__, [str(memory)], self._descriptors)
        except BaseException:
            self._close_files()
            raise
        pool.living.add(self)

    def open(self, film: Film, skip: int = 0) -> dict[str, Any] | None:
        """Open the film and go `skip` frames on; return its properties, None where nothing in it can be decoded.

        `FilmError` where a limit is met, or the process ends: of a file, twice."""
        self._asked = self._answered = 0
        job = {"open": film.address, "options": film.options, "skip": skip}
        patience = MAX_WAIT + skip * SECONDS_TO_SKIP
        try:
            answer = self._process.ask(job, patience)
            if isinstance(answer, int) and film.can_go_on and -answer not in OUT_OF_TIME:
                answer = self._process.ask(job, patience)
        except SilentProcessError as error:
            raise FilmError(str(error)) from error
        match answer:
            case {"properties": dict(properties)}:
                return properties
            case {"reason": str(reason)}:
                raise FilmError(reason)
            case int(status):
                raise FilmError(how_it_died(status))
        return None

    def order(self) -> None:
        """Ask for one more frame; at most `SLOTS` are under way."""
        self._process.tell({"slot": self._asked % SLOTS})
        self._asked += 1

    def next_answer(self, seconds: float) -> dict[str, Any] | int | None:
        """Return what is said of the next frame; the status of a process that died on the way (there is a new one
        then), None where it takes longer than `seconds`."""
        answer: dict[str, Any] | int | None = self._process.next_answer(seconds)
        return answer

    def pixels(self, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the frame of the answer that came last: RGB uint8 H×W×3. OSError where there are fewer bytes."""
        image = np.empty((*size, 3), np.uint8)
        read_at(self._descriptors[0], image.data.cast("B"), self._answered % SLOTS * SLOT_BYTES)
        self._answered += 1
        return image

    def is_done(self) -> bool:
        """Return whether, behind the end of a film, nothing more is under way."""
        return all(self.next_answer(SECONDS_TO_END) == {"end": True} for _ in range(self._asked - self._answered - 1))

    def restart(self) -> None:
        """End the process, whatever it does, and start a new one."""
        self._process.restart()

    def end(self) -> None:
        """End it in the midst of a frame, too, which another thread waits for."""
        self._process.close()

    def close(self) -> None:
        """End it and close what is shared with it. A second call does nothing."""
        if self in pool.living:
            pool.living.discard(self)
            self._process.close()
            self._close_files()

    def forget(self) -> None:
        """Let go of it in a fork, whose parent goes on with it."""
        self._process.forget()
        self._close_files()

    def _close_files(self) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)


class Pool:
    """Knows all processes, and keeps those that have just come to a film's end, for this film alone."""

    def __init__(self) -> None:
        self.living: set[FilmProcess] = set()
        self._kept: list[tuple[Film | None, FilmProcess]] = []
        self._lock = threading.Lock()
        self._has_ended = False

    def take(self, film: Film) -> FilmProcess:
        """Return a process that has had this film or none. Errors as `FilmProcess`."""
        if self._has_ended:
            raise ToolboxError("decoding was ended")
        with self._lock:
            for wanted in (film, None):
                for place, (kept, process) in enumerate(self._kept):
                    if kept == wanted:
                        del self._kept[place]
                        return process
        return FilmProcess()

    def keep(self, film: Film | None, process: FilmProcess) -> None:
        """Keep a process that has nothing to do and has had this film, None: none at all."""
        surplus = process
        if process.can_be_kept:
            with self._lock:
                self._kept.append((film, process))
                if len(self._kept) <= _MOST_KEPT:
                    return
                surplus = self._kept.pop(0)[1]
        surplus.close()

    def end(self) -> None:
        """End all processes, for good."""
        self._has_ended = True
        for process in tuple(self.living):
            process.end()

    def forget(self) -> None:
        """Begin anew in a fork, whose parent goes on with what it has started."""
        for process in tuple(self.living):
            process.forget()
        self.__init__()  # type: ignore[misc]


def begin() -> None:
    """Start a process, without waiting for it, for whoever is going to open a film soon."""
    if IS_POSSIBLE:
        with suppress(ToolboxError, OSError):  # the film tells
            pool.keep(None, FilmProcess())


def end() -> None:
    """End all processes, for good: at the end of a program that does not wait for its threads."""
    pool.end()


pool = Pool()
atexit.register(end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.forget)
