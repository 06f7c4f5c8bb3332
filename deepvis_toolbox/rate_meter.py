"""Measures how many times a second something happens, over the last seconds, so that the number stands still."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable


class RateMeter:
    """`tick` in one thread, `rate` from any."""

    def __init__(self, window: float = 2.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._window = window
        self._clock = clock
        self._times: deque[float] = deque()
        self._lock = threading.Lock()

    def tick(self) -> None:
        """It happened once, now."""
        with self._lock:
            self._times.append(self._clock())
            self._forget_old()

    def reset(self) -> None:
        """Forgets the past: what comes now has another rate."""
        with self._lock:
            self._times.clear()

    @property
    def rate(self) -> float:
        """Times a second within the window; 0 while there are fewer than two."""
        with self._lock:
            self._forget_old()
            if len(self._times) < 2:
                return 0.0
            return (len(self._times) - 1) / max(self._times[-1] - self._times[0], 1e-6)

    def _forget_old(self) -> None:
        # The newest two stay a little longer, so that a slow rate (one in 1.5 s) is still seen as one.
        now = self._clock()
        while self._times and now - self._times[0] > (self._window if len(self._times) > 2 else 2 * self._window):
            self._times.popleft()
