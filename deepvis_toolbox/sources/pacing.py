"""Keeps frames at their own rate, by deadlines that do not drift and with waits that can be interrupted."""

from __future__ import annotations

import threading
import time


class Pacer:
    """`wait` returns `rate` times a second. After a pause (a freeze, a slow reader) it goes on, it does not hurry."""

    def __init__(self, rate: float) -> None:
        self._period = 1.0 / rate
        self._due = 0.0
        self._interrupted = threading.Event()

    def wait(self) -> bool:
        """Wait until the next frame is due. False where `interrupt` cut the wait short."""
        now = time.monotonic()
        if now > self._due + self._period:
            self._due = now
        interrupted = self._interrupted.wait(max(0.0, self._due - now))
        self._interrupted.clear()
        self._due += self._period
        return not interrupted

    def interrupt(self) -> None:
        """End the wait of another thread, or its next one."""
        self._interrupted.set()
