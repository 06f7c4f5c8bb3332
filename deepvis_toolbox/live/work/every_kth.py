"""What belongs to one picture and costs more than a forward pass is taken of every k-th frame, and kept with that."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from deepvis_toolbox.live.work.held_answers import HeldAnswers
from deepvis_toolbox.measure.measurement import Measurement, Question
from deepvis_toolbox.words.images import RGBImage

if TYPE_CHECKING:
    from deepvis_toolbox.measure.session import Taken

FORWARD_PASSES = 1.0
"""So much of a forward pass they may take for each frame, on the average."""
MOST = 8
"""More seldom it is not taken, whatever it costs: one frame that was disturbed would hide the truth for long."""
SLACK = 0.15
"""Forward passes that are taken for noise."""
SECONDS_KNOWN = 5.0
"""What a frame takes without them is found out anew after that, by leaving them out of one frame."""
LAST = 6
"""So many frames count: the quickest, since what disturbs one makes it slower."""


class EveryKth:
    """Says for each frame what is left out, and keeps the last answers to it with the picture that they are of.

    Only what `belongs_to_picture` is ever left out, and never of a picture that stands still. What it costs is what a
    frame takes longer with it than without, in forward passes of the frames without.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._asked: tuple[frozenset[Measurement[Any]], object] = frozenset(), None
        self._besides: frozenset[Measurement[Any]] = frozenset()
        self._held = HeldAnswers()
        self._with: deque[float] = deque(maxlen=LAST)
        """Seconds that the last frames took with them, and without them, and those without in forward passes alone."""
        self._without: deque[float] = deque(maxlen=LAST)
        self._forward: deque[float] = deque(maxlen=LAST)
        self._known_at = -math.inf
        self._began = 0.0
        self._every, self._since = 1, 0
        """Frames since they were taken."""
        self._is_behind = self._is_still = False

    @property
    def is_behind(self) -> bool:
        """Whether they were left out of the last frame."""
        return self._is_behind

    @property
    def cost(self) -> float:
        """Seconds that they take, of the frames that they are taken of; 0 while it is not known."""
        return max(0.0, min(self._with) - min(self._without)) if self._with and self._without else 0.0

    @property
    def every(self) -> int:
        """They are taken of every so-manieth frame."""
        return self._every

    def left_out(
        self, asked: Mapping[Measurement[Any], Question[Any]], changes: object, is_still: bool
    ) -> frozenset[Measurement[Any]]:
        """Return what is not asked of this frame, whose time is counted from now on. Arguments: `LowerRate`."""
        bound = frozenset(
            one for one, question in asked.items() if isinstance(question, Measurement) and question.belongs_to_picture
        )
        if (bound, changes) != self._asked:
            self._asked, self._every, self._since = (bound, changes), 1, 0
            self._held.forget()
            self._with.clear()
        besides = frozenset(asked) - bound
        if besides != self._besides:  # a frame takes another time now
            self._besides, self._known_at = besides, -math.inf
            for each in (self._with, self._without, self._forward):
                each.clear()
        self._began, self._is_still = self._clock(), is_still
        self._since += 1
        is_known = self._began - self._known_at < SECONDS_KNOWN
        is_due = is_known and self._since >= self.every
        self._is_behind = bool(self._held) and not is_still and not is_due
        return bound if self._is_behind else frozenset()

    def follow(self, taken: Taken, is_plain: bool) -> dict[Measurement[Any], RGBImage]:
        """Add to what was taken of the frame the last answers to what was left out of it, or keep the new ones; return
        what was left out, with the picture that the answers are of: RGB uint8 H×W×3.

        `is_plain`: the frame's time tells what they cost, as nothing was taken that is not taken of every frame.
        """
        now, bound = self._clock(), self._asked[0]
        if is_plain and not self._is_still:
            self._count(now - self._began, taken, now)
        if self._is_behind:
            self._held.add_to(taken)
            return self._held.pictures
        self._since = 0
        self._held.hold(bound, taken)
        return {}

    def _count(self, seconds: float, taken: Taken, now: float) -> None:
        if self._asked[0] and not self._is_behind:
            self._with.append(seconds)
        else:
            self._without.append(seconds)
            self._forward.append(taken.milliseconds.get("forward", 0.0) / 1000 or seconds)
            self._known_at = now
        if self._with and self._without:
            passes = self.cost / min(self._forward) / FORWARD_PASSES
            most, least = (max(1, math.ceil(needed)) for needed in (passes, passes - SLACK))
            self._every = min(MOST, most, max(least, self._every))  # what lies in between stays as it is
