"""What the time until the first drawn frame is spent on."""

from __future__ import annotations

import time


class StartupClock:
    """Marks may come from any thread; each is the time since the program began, in seconds."""

    def __init__(self, began: float | None = None) -> None:
        """Take `began`: `time.perf_counter` when the program began; None: now."""
        self._began = time.perf_counter() if began is None else began
        self.marks: dict[str, float] = {}

    def mark(self, name: str) -> None:
        """Note that `name` is done; only the first time counts."""
        self.marks.setdefault(name, time.perf_counter() - self._began)

    def report(self) -> str:
        """Return one line: `imports 0.21 s, …, first frame 2.31 s`."""
        return "since the start: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in self.marks.items())
