"""Lists and bars that cost more than a forward pass are taken more seldom than frames are shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from deepvis_toolbox.measure.measurement import Measurement, Question
from deepvis_toolbox.rate_meter import RateMeter

if TYPE_CHECKING:
    from deepvis_toolbox.measure.session import Taken

SHARE = 0.25
"""How much of the time they may take, all together."""


class LowerRate:
    """Says for each frame what is left out, and keeps the last answers to it.

    Only what `may_lag` is ever left out, and never of a picture that stands still. What they cost is what a frame takes
    longer with them than without: up to a forward pass, they are taken of every frame.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._asked: tuple[frozenset[Measurement[Any]], object] = frozenset(), None
        self._kept: dict[Measurement[Any], Any] = {}
        self._refused: dict[Measurement[Any], Any] = {}
        self._meter = RateMeter(clock=clock)
        self._without: float | None = None
        """Seconds that the last frame took without them."""
        self._forward = 0.0
        self._began = self._ended = self._rest = 0.0
        self._is_behind = self._is_still = False

    @property
    def is_behind(self) -> bool:
        """Whether something was left out of the last frame."""
        return self._is_behind

    @property
    def rate(self) -> float:
        """Answers a second; 0 where every frame is answered, and while it is not known."""
        return self._meter.rate if self._rest else 0.0

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
            self._asked, self._kept, self._refused, self._rest = (lagging, changes), {}, {}, 0.0
            self._meter.reset()
        self._began, self._is_still = self._clock(), is_still
        is_due = self._without is not None and self._began - self._ended >= self._rest
        self._is_behind = bool(self._kept or self._refused) and not is_still and not is_due
        return lagging if self._is_behind else frozenset()

    def follow(self, taken: Taken) -> None:
        """Add to what was taken of the frame the last answers to what was left out of it, or keep the new ones."""
        seconds, lagging = self._clock() - self._began, self._asked[0]
        if self._is_behind:
            taken.answers.update(self._kept)
            taken.refused.update(self._refused)
        else:
            self._kept = {one: taken.answers[one] for one in lagging if one in taken.answers}
            self._refused = {one: taken.refused[one] for one in lagging if one in taken.refused}
        if self._is_still:
            return
        if self._is_behind or not lagging:
            self._without, self._forward = seconds, taken.milliseconds.get("forward", 0.0) / 1000
            return
        self._meter.tick()
        self._ended = self._clock()
        cost = seconds - (self._without or 0.0)
        self._rest = 0.0 if self._without is not None and cost <= self._forward else cost * (1 - SHARE) / SHARE
