"""How long work reports itself: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any, Protocol

from tqdm import tqdm

from deepvis_toolbox.shown_text import shown

SECONDS_BETWEEN_LINES = 10.0
Say = Callable[[str], None]
"""Tells the user a line."""
_ROUNDING = 1e-6
"""So little short of a whole one, it is finished."""


class Progress(Protocol):
    """What long work calls as it goes on. A context manager: leaving it closes the bar."""

    def advance(self, amount: float = 1) -> None:
        """Note that `amount` more of the total is done."""

    def note(self, text: str) -> None:
        """Show a short text beside the bar, replacing the last one: the current objective, the current file."""

    def say(self, line: str) -> None:
        """Print a line of its own, that stays."""

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def show_progress(total: float, what: str, unit: str = "", stream: IO[str] | None = None) -> Progress:
    """Return a progress display on `stream` (stderr by default) for `total` pieces of work counted in `unit`s."""
    stream = stream or sys.stderr
    return _Bar(total, what, unit, stream) if stream.isatty() else _Lines(total, what, unit, stream)


class Silence:
    """Shows nothing; what library calls use unless told otherwise."""

    def advance(self, amount: float = 1) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""

    def say(self, line: str) -> None:
        """Show nothing."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        """Close nothing."""


class _Tqdm(tqdm):  # type: ignore[type-arg] # no iterable
    """A bar whose words are those of the lines below: what is finished, and the time left at the whole run's pace.

    tqdm's own time left follows the last moment's pace, and jumps where batches differ.
    """

    @property
    def format_dict(self) -> dict[str, Any]:
        known: dict[str, Any] = super().format_dict
        known |= _told(float(known["n"]), float(known["total"]), float(known["elapsed"]), str(known["unit"]))
        return known


class _Bar:
    """A tqdm bar."""

    def __init__(self, total: float, what: str, unit: str, stream: IO[str]) -> None:
        layout = "{desc}: {percentage:3.0f}%|{bar}| {done} [{elapsed}, {left}, {pace}{postfix}]"
        self._bar = _Tqdm(total=total, desc=shown(what), unit=unit, file=stream, dynamic_ncols=True, bar_format=layout)

    def advance(self, amount: float = 1) -> None:
        self._bar.update(min(amount, self._bar.total - self._bar.n))  # parts of pictures add up to a little more

    def note(self, text: str) -> None:
        self._bar.set_postfix_str(shown(text), refresh=False)

    def say(self, line: str) -> None:
        self._bar.write(shown(line), file=self._bar.fp)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()


class _Lines:
    """A line every ten seconds, and one at the end."""

    def __init__(self, total: float, what: str, unit: str, stream: IO[str]) -> None:
        self._total, self._what, self._unit, self._stream = total, what, unit, stream
        self._done = 0.0
        self._note = ""
        self._began = self._shown = time.monotonic()

    def advance(self, amount: float = 1) -> None:
        self._done = min(self._done + amount, self._total)
        if time.monotonic() - self._shown >= SECONDS_BETWEEN_LINES:
            self._show()

    def note(self, text: str) -> None:
        self._note = text

    def say(self, line: str) -> None:
        print(shown(line), file=self._stream, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._show()

    def _show(self) -> None:
        self._shown = time.monotonic()
        elapsed = self._shown - self._began
        told = _told(self._done, self._total, elapsed, self._unit)
        under_way = 0 < self._done < self._total
        parts = [told["done"], told["pace"], told["left"] if under_way else f"took {_clock(elapsed)}"]
        self.say(f"{self._what}: {', '.join([*parts, self._note] if self._note else parts)}")


def _told(done: float, total: float, elapsed: float, unit: str) -> dict[str, str]:
    """Say what is finished (parts are not), the pace, and the time left at that pace."""
    left = _clock(elapsed * (total / done - 1)) if 0 < done <= total else "?"
    pace = f"{done / elapsed if elapsed > 0 else 0.0:.3g} {unit}/s"
    return {"done": f"{math.floor(done + _ROUNDING)}/{total:.0f}", "left": f"{left} left", "pace": pace}


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
