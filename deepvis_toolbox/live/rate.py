"""How often something happens, without numbers that jump about."""

from __future__ import annotations

import time
from collections import deque


class RateMeter:
    """Events a second over the last `span` seconds. Used by one thread."""

    def __init__(self, span: float = 2.0) -> None:
        self._span = span
        self._times: deque[float] = deque(maxlen=512)

    def tick(self, now: float | None = None) -> None:
        """Something happened, now or at `now` (seconds of `time.perf_counter`)."""
        self._times.append(time.perf_counter() if now is None else now)

    def rate(self, now: float | None = None) -> float:
        """Events a second; 0 before the second event, and once nothing has happened for `span` seconds."""
        now = time.perf_counter() if now is None else now
        while len(self._times) > 2 and now - self._times[0] > self._span:
            self._times.popleft()
        if len(self._times) < 2 or now - self._times[-1] > self._span:
            return 0.0
        return (len(self._times) - 1) / max(self._times[-1] - self._times[0], 1e-9)
