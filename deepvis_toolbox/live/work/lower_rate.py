"""Lists and bars that cost much are taken more seldom than frames are shown."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from deepvis_toolbox.live.work.held_answers import HeldAnswers
from deepvis_toolbox.measure.measurement import Measurement, Question
from deepvis_toolbox.rate_meter import RateMeter

if TYPE_CHECKING:
    from deepvis_toolbox.measure.session import Taken

SHARE = 0.25
"""How much of the time they may take, all together."""
SECONDS_KNOWN = 1.0
"""What a frame takes without them is found out anew after that: the machine may have other work since."""
LAST = 3
"""So many such frames count: the quickest, since what disturbs one makes it slower."""


class LowerRate:
    """Says for each frame what is left out, and keeps the last answers to it.

    Only what `may_lag` is ever left out, and never of a picture that stands still. What they cost is what a frame takes
    longer with them than without; up to a third of that, they are taken of (nearly) every frame.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self._asked: tuple[frozenset[Measurement[Any]], object] = frozenset(), None
        self._held = HeldAnswers()
        self._meter = RateMeter(clock=clock)
        self._without: deque[float] = deque(maxlen=LAST)
        """Seconds that the last frames took without them."""
        self._known_at = -float("inf")
        self._began = self._ended = 0.0
        self._rest = 0.0
        """Seconds without them that are to lie between them and the next time, this frame's own counted in."""
        self._is_behind = self._is_still = False

    @property
    def is_behind(self) -> bool:
        """Whether something was left out of the last frame."""
        return self._is_behind

    @property
    def is_asked(self) -> bool:
        """Whether anything is asked that may be left out."""
        return bool(self._asked[0])

    @property
    def rate(self) -> float:
        """Answers a second; 0 where every frame is answered, and while it is not known."""
        return self._meter.rate if self._without and self._rest > min(self._without) else 0.0

    def left_out(
        self, asked: Mapping[Measurement[Any], Question[Any]], changes: object, is_still: bool
    ) -> frozenset[Measurement[Any]]:
        """Return what is not asked of this frame, whose time is counted from now on.

        `asked`: the measurements, each with the question that it answers. `changes`: what else the answers depend on;
        with others, the former ones are forgotten.
        """
        lagging = frozenset(
            one for one, question in asked.items() if isinstance(question, Measurement) and question.may_lag
        )
        if (lagging, changes) != self._asked:
            self._asked, self._rest = (lagging, changes), 0.0
            self._held.forget()
            self._meter.reset()
        self._began, self._is_still = self.clock(), is_still
        is_known = self._began - self._known_at < SECONDS_KNOWN
        is_due = is_known and self._began + min(self._without) - self._ended >= self._rest
        self._is_behind = bool(self._held) and not is_still and not is_due
        return lagging if self._is_behind else frozenset()

    def follow(self, taken: Taken, besides: float = 0.0) -> None:
        """Add to what was taken of the frame the last answers to what was left out of it, or keep the new ones.

        `besides`: seconds of the frame that went to what is not taken of every frame either.
        """
        now, lagging = self.clock(), self._asked[0]
        seconds = now - self._began - besides
        if self._is_behind:
            self._held.add_to(taken)
        else:
            self._held.hold(lagging, taken)
        if self._is_still:
            return
        if self._is_behind or not lagging:
            self._without.append(seconds)
            self._known_at = now
            return
        self._meter.tick()
        self._ended = now
        self._rest = (seconds - min(self._without, default=0.0)) * (1 - SHARE) / SHARE
