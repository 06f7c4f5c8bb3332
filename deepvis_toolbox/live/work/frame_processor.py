"""One frame and one request in, one snapshot out: what the worker thread and headless runs share."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from deepvis_toolbox.live.work.accentuation import AccentuationKeeper
from deepvis_toolbox.live.work.history import HistoryKeeper, UnitHistory
from deepvis_toolbox.live.work.lower_rate import LowerRate
from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.live.work.still_picture import OcclusionKeeper
from deepvis_toolbox.live.work.unit_matching import UnitMatcher
from deepvis_toolbox.measure import AverageContributions
from deepvis_toolbox.measure.measurement import Measurement, Question
from deepvis_toolbox.measure.session import Session, Taken
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.sources.frame import SourceFrame
from deepvis_toolbox.words.images import RGBImage


class FrameProcessor:
    """Takes the measurements that requests ask for. Not for use by two threads at once."""

    def __init__(
        self,
        network: Network,
        clock: Callable[[], float] = time.monotonic,
        other: Network | None = None,
        matcher: UnitMatcher | None = None,
        lower_rate: LowerRate | None = None,
    ) -> None:
        """`clock` says how late it is, in seconds, for what is shown over time; `other`: what is compared with;
        `matcher`: says which of its units are, None: those of the same numbers. `lower_rate`: what costs much is asked
        more seldom; without it, of every frame."""
        self.network = network
        self._history = HistoryKeeper(clock)
        self._occlusion = OcclusionKeeper(network)
        self._accentuation = AccentuationKeeper(network)
        self._last: RGBImage | None = None
        self._session = Session(network, other, matcher.units_of if matcher else None)
        self._matcher = matcher
        self._lower_rate = lower_rate
        self._last_frame: SourceFrame | None = None
        self._average: AverageContributions | None = None
        self._average_changes: object = None
        """The edits and the perturbation that the average was made with."""

    @property
    def is_unfinished(self) -> bool:
        """Whether the same frame, processed again, would make a better answer."""
        average = self._average
        if average is not None and not average.is_finished:
            return True
        if self._matcher is not None and self._matcher.is_unfinished:
            return True
        if self._lower_rate is not None and self._lower_rate.is_behind:
            return True
        return self._occlusion.is_unfinished or self._accentuation.is_unfinished

    def process(self, frame: SourceFrame, request: Request) -> Snapshot:
        """Return the snapshot that answers `request` for `frame`. Raises what the network raises."""
        average, self._average = self._average, None  # what fails is not tried again by itself
        matched = self._matcher.follow(request) if self._matcher else {}
        asked = request.measurements
        taken = self._take(frame, request, asked)
        answers: dict[Question[Any], Any] = {asked[one]: answer for one, answer in taken.answers.items()} | matched
        for one in request.questions:
            if isinstance(one, UnitHistory) and one.of in answers:
                answers[one] = self._history.follow(one, answers[one.of])
        is_still = frame.info.is_still or taken.image is self._last
        self._last = taken.image
        answers |= self._occlusion.follow(request, taken.fitted, is_still)
        answers |= self._accentuation.follow(request, taken.fitted, is_still)
        return Snapshot(
            request,
            frame.info,
            taken.image,
            self._with_average(request, answers, average),
            {asked[one]: str(refusal) for one, refusal in taken.refused.items()},
            weakref.ref(self.network),
            taken.bands,
            device=str(self.network.device),
            timings=taken.milliseconds,
            list_rate=self._lower_rate.rate if self._lower_rate else 0.0,
        )

    def _take(self, frame: SourceFrame, request: Request, asked: Mapping[Measurement[Any], Question[Any]]) -> Taken:
        """Take the measurements, but for those that wait for a later frame."""
        pace, is_again = self._lower_rate, frame is self._last_frame
        self._last_frame = frame
        changes = request.stretch, request.perturbation
        left_out = pace.left_out(asked, changes, frame.info.is_still or is_again) if pace else frozenset()
        taken = self._session.take_all(
            frame.given_to(self.network.preprocessing.takes),
            [one for one in asked if one not in left_out],
            stretch=request.stretch,
            is_still=frame.info.is_still,
            token=frame,
            perturbation=request.perturbation,
            number=frame.info.number,
        )
        if pace:
            pace.follow(taken)
        return taken

    def _with_average(
        self, request: Request, answers: Mapping[Question[Any], Any], average: AverageContributions | None
    ) -> Mapping[Question[Any], Any]:
        """Return the answers with what is averaged over frames, where the request asks for it; `average`: the last."""
        asked = request.average
        newest = answers.get(asked.of) if asked else None
        if asked is None or newest is None:
            return answers
        changes = request.edits, request.perturbation
        if average is None or average.question != asked.of or self._average_changes != changes:
            average = AverageContributions(self.network, asked.of, request.edits)
            self._average_changes = changes
        answer = average.follow(newest)
        self._average = average
        return {**answers, asked: answer}
