"""Shares the machine's processors between the network and the window."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable
from itertools import groupby
from typing import TypeVar

T = TypeVar("T")

ENOUGH_TO_SPARE_ONE = 4
"""With so many processors, the network leaves one to the window without trying."""
IN_TURN = 4
"""Frames that are computed with one number of threads, then with the other; the first of them does not count."""
TURNS = 2
SECONDS_KNOWN = 15.0
"""It is tried again after that: the machine may have other work since."""


def processors() -> int:
    """Return how many processors this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class NetworkThreads:
    """How many threads the network computes with: all, so that drawing has to wait, or one less, while the last answer
    is drawn on the processor that is left. Which one shows more frames depends on the network, on what a window takes
    to draw, and on what else the machine has to do; so, where there are few processors, both are tried on what runs.
    """

    def __init__(
        self,
        most: int,
        fewer: int,
        set_number: Callable[[int], None] = lambda _: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Take `most`: threads that are set now; `fewer`: those to be tried, too. Equal: nothing is tried."""
        self.drawing_seconds = 0.0
        """What the last window took to draw; told by the thread that draws."""
        self._most, self._fewer = most, fewer
        self._best = self._now = most
        self._set_number, self._clock = set_number, clock
        self._question: object = None
        self._tried: list[tuple[int, float]] = []
        """Threads and seconds of each frame of the trial so far."""
        self._known_until = -math.inf

    @classmethod
    def of(cls, device: str) -> NetworkThreads:
        """Return those of a network on a device; where there are processors enough, they spare one for the window."""
        import torch

        number, there = torch.get_num_threads(), processors()
        if device == "cpu" and number >= there >= ENOUGH_TO_SPARE_ONE:
            torch.set_num_threads(there - 1)
            number = there - 1
        takes_all = device == "cpu" and number >= there
        return cls(number, max(1, there - 1), torch.set_num_threads) if takes_all else cls(0, 0)

    @property
    def takes_all(self) -> bool:
        """Whether the network computes on all processors now, so that drawing takes time from it."""
        return self._now == self._most > 0

    def run(self, question: object, is_still: bool, step: Callable[[], T]) -> T:
        """Return what a step returns, which answers `question` for one frame, computed with as many threads as are
        best. A frame that stands still gets all: nothing is drawn meanwhile."""
        if self._most == self._fewer:
            return step()
        began = self._clock()
        if question != self._question or is_still:
            self._question, self._tried = question, []
        is_trial = not is_still and began >= self._known_until
        self._use(self._most if is_still else self._in_turn() if is_trial else self._best)
        result = step()
        if is_trial:
            self._follow(self._clock() - began)
        return result

    def use_all(self) -> None:
        """From now on, until the next frame, compute with all threads."""
        self._use(self._most)

    def _in_turn(self) -> int:
        return self._fewer if len(self._tried) // IN_TURN % 2 else self._most

    def _use(self, number: int) -> None:
        if number != self._now:
            self._set_number(number)
            self._now = number

    def _follow(self, seconds: float) -> None:
        self._tried.append((self._now, seconds))
        if len(self._tried) == 2 * TURNS * IN_TURN:
            of_all, of_fewer = (self._median(number) for number in (self._most, self._fewer))
            self._best = self._fewer if of_fewer < of_all + self.drawing_seconds else self._most
            self._known_until, self._tried = self._clock() + SECONDS_KNOWN, []

    def _median(self, number: int) -> float:
        turns = [[seconds for _, seconds in turn] for used, turn in groupby(self._tried, _threads) if used == number]
        return statistics.median(seconds for turn in turns for seconds in turn[1:])


def _threads(tried: tuple[int, float]) -> int:
    return tried[0]
