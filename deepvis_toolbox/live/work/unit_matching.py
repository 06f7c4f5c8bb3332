"""Units of two networks that go together, as the window's requests ask for them: a step with each frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepvis_toolbox.counterpart import unit_matching
from deepvis_toolbox.counterpart.unit_matching import ProbeMatcher
from deepvis_toolbox.live.work.request import MatchedUnits, Request
from deepvis_toolbox.measure import MostDifferent
from deepvis_toolbox.measure.measurement import Question
from deepvis_toolbox.words.comparison import OTHER_NETWORK, UnitMatching

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network


class UnitMatcher(ProbeMatcher):
    """Matches the shown layer's units; then, while units of several layers are asked for, the others' a few layers at
    a time."""

    def __init__(self, network: Network, other: Network, pictures: list[Path], at_once: bool = False) -> None:
        """Take `at_once`: look at all pictures before the first answer, instead of one for each frame."""
        super().__init__(network, other, pictures)
        self._at_once = at_once
        self.is_unfinished = False
        """Whether there is more to be found for the layers asked for last."""

    def follow(self, request: Request) -> dict[Question[Any], UnitMatching]:
        """Go a step on with the layers that the request asks about, one picture or one layer's matching; answer for the
        shown one, once it has been found."""
        self.is_unfinished = False  # what fails is not tried again by itself
        question = next((one for one in request.questions if isinstance(one, MatchedUnits)), None)
        wanted = self._wanted(question, request)
        while wanted:
            self.go_on_with(wanted)
            wanted = self._wanted(question, request)
            if not self._at_once:
                break
        if not wanted:
            self.let_go()
        self.is_unfinished = bool(wanted)
        found = self.matching(question.layer) if question else None
        return {question: found} if question and found else {}

    def _wanted(self, question: MatchedUnits | None, request: Request) -> tuple[str, ...]:
        """Return the layers to be matched next, the shown one before all others; none where all have been."""
        if question and self.is_missing(question.layer):
            return (question.layer,)
        listed = (one for one in request.measurements if isinstance(one, MostDifferent))
        missing = [name for one in listed if one.reference == OTHER_NETWORK for name in one.layers]
        return tuple(filter(self.is_missing, missing))[: unit_matching.LAYERS_AT_ONCE]
