"""When a new snapshot may be drawn: often enough to look alive, seldom enough to leave the network its processors."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]


class DrawingPace:
    """For the thread that draws. Keys and clicks need not ask: what a person waits for is drawn at once."""

    def __init__(self, max_fps: float, clock: Clock = time.monotonic, used: Clock = time.thread_time) -> None:
        """Take `used`: the processor time that this thread has taken, in seconds."""
        self.share = 1.0
        """How much of one processor this thread may take, 0 (exclusive) to 1."""
        self._shortest = 1.0 / max_fps
        self._clock, self._used = clock, used
        self._due = 0.0
        self._began: tuple[float, float] | None = None

    def drawing(self) -> None:
        """Note that a window is being drawn, from now on."""
        self._began = self._clock(), self._used()

    def painted(self) -> None:
        """Note that the window system has had its turn since; its painting is a part of what the drawing cost."""
        if self._began is not None:
            began, used_before = self._began
            self._due = began + max(self._shortest, (self._used() - used_before) / self.share)
            self._began = None

    def wait(self, seconds: float) -> None:
        """From now on, let nothing be due for so long, or until `go_on`."""
        self._due = max(self._due, self._clock() + seconds)

    def go_on(self) -> None:
        """Wait no longer."""
        self._due = min(self._due, self._clock())

    @property
    def is_drawing(self) -> bool:
        """Whether the window system has not had its turn yet."""
        return self._began is not None

    @property
    def seconds_left(self) -> float:
        """Until the next one is due; 0 where it is."""
        return max(0.0, self._due - self._clock())
