"""Measures how many times a second something happens, over the last seconds, so that the number stands still."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

SHORTEST_SPAN = 0.5
"""Seconds that must lie between the first tick and the last: two in quick succession say nothing about a rate."""


class RateMeter:
    """`tick` in one thread, `rate` from any."""

    def __init__(self, window: float = 2.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._window = window
        self._clock = clock
        self._times: deque[float] = deque()
        self._lock = threading.Lock()

    def tick(self) -> None:
        """Note that it happened once, now."""
        with self._lock:
            self._times.append(self._clock())
            self._forget_old()

    def reset(self) -> None:
        """Forget the past: what comes now has another rate."""
        with self._lock:
            self._times.clear()

    @property
    def rate(self) -> float:
        """Times a second within the window; 0 while too little has happened to tell."""
        with self._lock:
            self._forget_old()
            span = self._times[-1] - self._times[0] if self._times else 0.0
            return (len(self._times) - 1) / span if span >= SHORTEST_SPAN else 0.0

    def _forget_old(self) -> None:
        # The newest two stay a little longer, so that a slow rate (one in 1.5 s) is still seen as one.
        now = self._clock()
        while self._times and now - self._times[0] > (self._window if len(self._times) > 2 else 2 * self._window):
            self._times.popleft()
