"""Lists that cost much are taken more seldom than frames are shown, and the window says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from deepvis_toolbox.live.panes.caption import with_rate
from deepvis_toolbox.live.work.frame_processor import FrameProcessor
from deepvis_toolbox.live.work.lower_rate import SHARE, LowerRate
from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.measure import ChangedLayers, LayerMaps, MostDifferent, UnitsInRegionOfLayers
from deepvis_toolbox.measure.measurement import Measurement, Question
from deepvis_toolbox.measure.session import Session, Taken
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.layer import Rect
from deepvis_toolbox.words.perturbation import Perturbation
from tests.live.scenes import scene_of, snapshot_for, state_at

BARE = 0.020
"""Seconds of a frame without the list."""


@dataclass(frozen=True)
class List(Measurement[int]):
    number: int = 0
    may_lag: ClassVar[bool] = True

    def take(self, passes: Any) -> int:
        raise NotImplementedError


class Frames:
    """Frames of which each takes BARE seconds, and `cost` more with the list."""

    def __init__(self, cost: float) -> None:
        self.cost, self.bare, self.now, self.number = cost, BARE, 0.0, 0
        self.pace = LowerRate(lambda: self.now)

    def next(self, asked: dict[Measurement, Question], changes: object = None, is_still: bool = False) -> Taken:
        left_out = self.pace.left_out(asked, changes, is_still)
        self.number += 1
        taken = {one: self.number for one in asked if one not in left_out}
        self.now += self.bare + (self.cost if any(isinstance(one, List) for one in taken) else 0)
        answered = Taken(np.zeros((1, 1, 3), np.uint8), taken)
        self.pace.follow(answered)
        assert answered.answers.keys() == asked.keys()
        return answered


ASKED: dict[Measurement, Question] = {one: one for one in (LayerMaps("conv1"), List())}


def test_a_dear_list_takes_its_share_of_the_time_and_all_else_is_of_the_newest_frame() -> None:
    frames, taken, began = Frames(cost=0.1), 0, 0.0
    for number in range(1000):
        if number == 100:  # what it costs is known by now
            taken, began = 0, frames.now
        answers = frames.next(ASKED).answers
        assert answers[LayerMaps("conv1")] == frames.number
        taken += answers[List()] == frames.number
        assert frames.pace.is_behind is (answers[List()] != frames.number)
    assert 0.8 * SHARE < taken * 0.1 / (frames.now - began) <= SHARE
    assert frames.pace.rate == pytest.approx(taken / (frames.now - began), rel=0.2)


def test_a_list_up_to_a_third_of_a_frame_is_taken_of_all_but_one_frame_a_second() -> None:
    frames, taken = Frames(cost=BARE * 0.3), 0
    for number in range(200):
        is_new = frames.next(ASKED).answers[List()] == frames.number
        taken += is_new and number >= 100
    assert taken >= 96
    assert frames.pace.rate == 0, "nothing is said of that"


def test_a_frame_that_was_disturbed_does_not_hide_for_long_what_a_list_costs() -> None:
    frames = Frames(cost=0.1)
    frames.bare = 0.3
    for _ in range(6):
        frames.next({LayerMaps("conv1"): LayerMaps("conv1")})  # slow, while something else computes
    frames.bare = BARE
    taken, began = 0, 0.0
    for number in range(400):
        if number == 100:
            taken, began = 0, frames.now
        taken += frames.next(ASKED).answers[List()] == frames.number
    assert 0.8 * SHARE < taken * 0.1 / (frames.now - began) <= SHARE
    assert frames.pace.rate > 0


def test_another_question_or_change_is_answered_at_once_and_a_still_picture_always() -> None:
    frames = Frames(cost=1.0)
    for _ in range(5):
        frames.next(ASKED)
    assert frames.pace.is_behind
    assert frames.next(ASKED, changes="brighter").answers[List()] == frames.number
    assert frames.next(ASKED, changes="brighter").answers[List()] == frames.number - 1
    other: dict[Measurement, Question] = {List(1): List(1)}
    assert frames.next(other).answers[List(1)] == frames.number
    frames.next(other)
    for _ in range(3):
        assert frames.next(other, is_still=True).answers[List(1)] == frames.number
        assert not frames.pace.is_behind


def test_what_lies_over_the_picture_never_lags() -> None:
    lagging = {one.__name__ for one in _all_measurements() if one.may_lag}
    assert lagging >= {"UnitsInRegionOfLayers", "MostDifferent", "ChangedLayers"}
    assert not lagging & {
        "BackwardImage",
        "GradCAM",
        "UnitHeat",
        "LayerMaps",
        "ClassProbabilities",
        "InputContributions",
    }


def _all_measurements(kind: type = Measurement) -> set[Any]:
    return {kind} | {found for each in kind.__subclasses__() for found in _all_measurements(each)}


def picture(seed: int) -> SourceFrame:
    return SourceFrame(np.random.default_rng(seed).integers(0, 255, (40, 40, 3)).astype(np.uint8), FrameInfo("n", seed))


@pytest.fixture
def small(load_small: Callable[[], object]) -> object:
    return load_small()


@pytest.mark.parametrize("edits", [(), (Edit("conv2", [3], "zero"),)], ids=["as it is", "edited"])
def test_an_old_answer_is_that_of_its_frame_and_the_last_frame_gets_its_own(small: Any, edits: tuple) -> None:
    now, step = 0.0, 0.01

    def clock() -> float:
        nonlocal now
        now += step
        return now

    processor = FrameProcessor(small, lower_rate=LowerRate(clock))
    listed = UnitsInRegionOfLayers(("conv1", "conv2"), Rect(0, 0, 16, 16), 3)
    request = Request(frozenset({LayerMaps("conv1"), listed}), edits=edits)
    processor.process(picture(0), Request(frozenset({LayerMaps("conv1")}), edits=edits))
    step = 10
    first = processor.process(picture(1), request)
    step = 0.01
    assert not processor.is_unfinished
    frame = picture(2)
    second = processor.process(frame, request)
    assert second.answers[listed] is first.answers[listed]
    assert processor.is_unfinished
    settled = processor.process(frame, request)  # nothing came meanwhile
    assert not processor.is_unfinished
    wanted = FrameProcessor(small).process(frame, request).answers
    assert settled.answers[listed].units == wanted[listed].units != first.answers[listed].units
    np.testing.assert_allclose(settled.answers[listed].scores, wanted[listed].scores, rtol=1e-4)
    np.testing.assert_allclose(second.answers[LayerMaps("conv1")].maps, wanted[LayerMaps("conv1")].maps, atol=1e-5)


def test_a_refusal_stays_while_its_question_waits(small: Any) -> None:
    pace = LowerRate()
    processor = FrameProcessor(small, lower_rate=pace)
    question = MostDifferent("nothing is pinned", ("conv1",))  # type: ignore[arg-type]
    request = Request(frozenset({question, LayerMaps("conv1")}))
    told = [processor.process(picture(seed), request).refusals.get(question) for seed in range(3)]
    assert told[0]
    assert told == [told[0]] * 3


def test_without_a_lower_rate_every_frame_is_answered_whole(small: Any) -> None:
    processor = FrameProcessor(small)
    question = ChangedLayers(("conv1", "conv2"))
    request = Request(frozenset({question}), perturbation=Perturbation(brightness=40))
    for seed in range(3):
        found = processor.process(picture(seed), request).answers[question].relative
        fresh = Session(small).take_all(picture(seed).image, [question], perturbation=request.perturbation)
        assert found == pytest.approx(fresh.answers[question].relative, rel=1e-4)
        assert not processor.is_unfinished


def test_the_caption_says_how_often_a_list_is_taken() -> None:
    from dataclasses import replace

    state = state_at("conv1", 1)
    snapshot = snapshot_for(state)

    def detail(rate: float) -> str:
        return with_rate("score", scene_of(state, replace(snapshot, list_rate=rate)))

    assert [detail(rate) for rate in (0, 8.7, 0.42, 0.01)] == ["score", "score · 9/s", "score · 0.4/s", "score · 0.1/s"]
