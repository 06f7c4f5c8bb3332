"""One frame and one request in, one snapshot out: what the worker thread and headless runs share."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from deepvis_toolbox.live.work.accentuation import AccentuationKeeper
from deepvis_toolbox.live.work.every_kth import EveryKth
from deepvis_toolbox.live.work.history import HistoryKeeper, UnitHistory
from deepvis_toolbox.live.work.lower_rate import LowerRate
from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.live.work.still_picture import OcclusionKeeper
from deepvis_toolbox.live.work.unit_matching import UnitMatcher
from deepvis_toolbox.measure import AverageContributions, ContributionMap
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
        self._every_kth = EveryKth(lower_rate.clock) if lower_rate else None
        self._last_frame: SourceFrame | None = None
        self._average: AverageContributions | None = None
        self._averaged: ContributionMap | None = None
        """Its last answer."""
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
        if any(pace is not None and pace.is_behind for pace in (self._lower_rate, self._every_kth)):
            return True
        return self._occlusion.is_unfinished or self._accentuation.is_unfinished

    def process(self, frame: SourceFrame, request: Request) -> Snapshot:
        """Return the snapshot that answers `request` for `frame`. Raises what the network raises."""
        average, self._average = self._average, None  # what fails is not tried again by itself
        matched = self._matcher.follow(request) if self._matcher else {}
        asked = request.measurements
        taken, pictures = self._take(frame, request, asked)
        held = {asked[one]: picture for one, picture in pictures.items()}
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
            self._with_average(request, answers, average, request.average is not None and request.average.of in held),
            {asked[one]: str(refusal) for one, refusal in taken.refused.items()},
            weakref.ref(self.network),
            taken.bands,
            device=str(self.network.device),
            timings=taken.milliseconds,
            list_rate=self._lower_rate.rate if self._lower_rate else 0.0,
            pictures=held,
            every=self._every_kth.every if self._every_kth else 1,
        )

    def _take(
        self, frame: SourceFrame, request: Request, asked: Mapping[Measurement[Any], Question[Any]]
    ) -> tuple[Taken, Mapping[Measurement[Any], RGBImage]]:
        """Take the measurements, but for those that wait for a later frame; return also the pictures that answers of
        former frames are of."""
        lists, bound = self._lower_rate, self._every_kth
        of_frame = (request.stretch, request.perturbation), frame.info.is_still or frame is self._last_frame
        self._last_frame = frame
        left_out: frozenset[Measurement[Any]] = frozenset()
        for pace in (lists, bound):
            left_out |= pace.left_out(asked, *of_frame) if pace else frozenset()
        taken = self._session.take_all(
            frame.given_to(self.network.preprocessing.takes),
            [one for one in asked if one not in left_out],
            stretch=request.stretch,
            is_still=frame.info.is_still,
            token=frame,
            perturbation=request.perturbation,
            number=frame.info.number,
        )
        if lists is None or bound is None:
            return taken, {}
        pictures = bound.follow(taken, is_plain=lists.is_behind or not lists.is_asked)
        lists.follow(taken, 0.0 if bound.is_behind else bound.cost)
        return taken, pictures

    def _with_average(
        self,
        request: Request,
        answers: Mapping[Question[Any], Any],
        average: AverageContributions | None,
        is_held: bool,
    ) -> Mapping[Question[Any], Any]:
        """Return the answers with what is averaged over frames, where the request asks for it; `average`: the last.
        `is_held`: of this frame, nothing new was taken for it."""
        asked = request.average
        newest = answers.get(asked.of) if asked else None
        if asked is None or newest is None:
            return answers
        if is_held and average is not None and average.question == asked.of and self._averaged is not None:
            self._average = average
            return {**answers, asked: self._averaged}
        changes = request.edits, request.perturbation
        if average is None or average.question != asked.of or self._average_changes != changes:
            average = AverageContributions(self.network, asked.of, request.edits)
            self._average_changes = changes
        self._averaged = average.follow(newest)
        self._average = average
        return {**answers, asked: self._averaged}
