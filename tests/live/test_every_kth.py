"""What belongs to one picture and costs more than a forward pass is taken of every k-th frame, shown with that one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from deepvis_toolbox.drawing.heat import paint_heat
from deepvis_toolbox.live.panes.overlays import overlay_question
from deepvis_toolbox.live.panes.status_line import status_values
from deepvis_toolbox.live.work.every_kth import SECONDS_KNOWN, EveryKth
from deepvis_toolbox.live.work.frame_processor import FrameProcessor
from deepvis_toolbox.live.work.lower_rate import LowerRate
from deepvis_toolbox.live.work.request import GrowingAverage, Request
from deepvis_toolbox.measure import (
    BackwardImage,
    ClassProbabilities,
    GradCAM,
    InputContributions,
    LayerMaps,
    UnitsInRegionOfLayers,
)
from deepvis_toolbox.measure.measurement import Measurement, Question
from deepvis_toolbox.measure.session import Taken
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.words.layer import Rect
from tests.live.scenes import drawn, part, snapshot_for, state_at

from .conftest import Display, Driver

BARE, FORWARD = 0.024, 0.020
"""Seconds of a frame without the overlay, and of its forward pass."""


@dataclass(frozen=True)
class Overlay(Measurement[int]):
    number: int = 0
    belongs_to_picture: ClassVar[bool] = True

    def take(self, passes: Any) -> int:
        raise NotImplementedError


class Frames:
    """Frames of which each takes BARE seconds, and `cost` more with the overlay."""

    def __init__(self, cost: float) -> None:
        self.cost, self.now, self.number, self.disturbed = cost, 0.0, 0, 0.0
        self.pace = EveryKth(lambda: self.now)

    def next(self, asked: dict[Measurement, Question], changes: object = None, is_still: bool = False) -> Any:
        left_out = self.pace.left_out(asked, changes, is_still)
        self.number += 1
        answers = {one: self.number for one in asked if one not in left_out}
        self.now += BARE + self.disturbed + (self.cost if any(isinstance(one, Overlay) for one in answers) else 0)
        taken = Taken(np.full((1, 1, 3), self.number % 256, np.uint8), answers, {"forward": 1000 * FORWARD})
        self.pictures = self.pace.follow(taken, is_plain=True)
        assert taken.answers.keys() == asked.keys()
        return taken


PLAIN: dict[Measurement, Question] = {LayerMaps("conv1"): LayerMaps("conv1")}
ASKED: dict[Measurement, Question] = {**PLAIN, Overlay(): Overlay()}


@pytest.mark.parametrize(("passes", "every"), [(0.3, 1), (1.0, 1), (1.1, 1), (1.3, 2), (1.7, 2), (2.1, 2), (3.2, 4)])
def test_the_mean_cost_is_at_most_about_a_forward_pass_a_frame(passes: float, every: int) -> None:
    frames = Frames(passes * FORWARD)
    for _ in range(5):
        frames.next(PLAIN)
    taken, answers = [], {}
    for number in range(200):
        answers = frames.next(ASKED).answers
        assert answers[LayerMaps("conv1")] == frames.number, "all else is of the newest frame"
        if answers[Overlay()] == frames.number:
            taken.append(number)
            assert not frames.pictures
        else:
            assert frames.pictures[Overlay()][0, 0, 0] == answers[Overlay()] % 256, "the picture that it is of"
    assert frames.pace.every == every
    gaps = np.diff(taken[4:])
    expected = {1: {1, 2}}.get(every, {every})
    assert set(gaps.tolist()) <= expected
    assert len(taken) * passes / 200 <= 1 + 0.15 + 0.1
    if every == 1:
        assert (gaps == 2).sum() <= frames.now / SECONDS_KNOWN, "now and then a frame without it tells what it costs"


def test_what_it_costs_is_learnt_without_frames_before_it_and_one_that_was_disturbed_does_not_count() -> None:
    frames = Frames(1.7 * FORWARD)
    frames.disturbed = 1.0
    for _ in range(3):
        frames.next(ASKED)
    frames.disturbed = 0
    for _ in range(20):
        frames.next(ASKED)
    assert frames.pace.every == 2
    assert frames.pace.cost == pytest.approx(1.7 * FORWARD)


def test_a_cost_about_a_whole_number_of_passes_does_not_make_the_rate_jump() -> None:
    frames, seen = Frames(1.3 * FORWARD), []
    for number in range(400):
        frames.cost = (1.3 if number < 20 else 1.05 + 0.08 * (number // 20 % 2)) * FORWARD
        frames.next(ASKED if number > 3 else PLAIN)
        seen.append(frames.pace.every)
    assert set(seen[30:]) == {2}
    frames.cost = 0.9 * FORWARD
    for _ in range(40):
        frames.next(ASKED)
    assert frames.pace.every == 1


def test_another_question_or_change_is_answered_at_once_and_a_still_picture_always() -> None:
    frames = Frames(5 * FORWARD)
    for asked in (PLAIN, ASKED, ASKED):
        frames.next(asked)
    assert frames.pace.is_behind
    assert frames.next(ASKED, changes="brighter").answers[Overlay()] == frames.number
    other: dict[Measurement, Question] = {**PLAIN, Overlay(1): Overlay(1)}
    frames.next(ASKED, changes="brighter")
    assert frames.next(other).answers[Overlay(1)] == frames.number
    frames.next(other)
    assert frames.pace.is_behind
    for _ in range(3):
        assert frames.next(other, is_still=True).answers[Overlay(1)] == frames.number
        assert not frames.pace.is_behind
        assert not frames.pictures


def test_pictures_of_the_picture_belong_to_it_and_maps_and_classes_never_lag() -> None:
    assert all(kind.belongs_to_picture for kind in (GradCAM, BackwardImage, InputContributions))
    assert not any(kind.belongs_to_picture or kind.may_lag for kind in (LayerMaps, ClassProbabilities))


# -- the frame processor -----------------------------------------------------------------------------------------------


def picture(seed: int) -> SourceFrame:
    return SourceFrame(np.random.default_rng(seed).integers(0, 255, (40, 40, 3)).astype(np.uint8), FrameInfo("n", seed))


@pytest.fixture
def small(load_small: Callable[[], object]) -> object:
    return load_small()


@pytest.fixture
def every_third(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EveryKth, "every", property(lambda _: 3))
    monkeypatch.setattr("deepvis_toolbox.live.work.every_kth.SECONDS_KNOWN", 1e9)


SHOWN = [GradCAM("fc", 3), BackwardImage("conv2", 3), InputContributions("conv2", 3)]


@pytest.mark.usefixtures("every_third")
@pytest.mark.parametrize("question", SHOWN, ids=lambda one: type(one).__name__)
def test_a_held_answer_is_that_of_its_picture_and_the_last_frame_gets_its_own(small: Any, question: Any) -> None:
    processor, whole = FrameProcessor(small, lower_rate=LowerRate()), FrameProcessor(small)
    request = Request(frozenset({LayerMaps("conv1"), question}))
    processor.process(picture(0), Request(frozenset({LayerMaps("conv1")})))
    taken_of = []
    for seed in range(1, 9):
        snapshot = processor.process(picture(seed), request)
        wanted = whole.process(picture(seed), request)
        np.testing.assert_array_equal(snapshot.input_image, wanted.input_image)
        np.testing.assert_allclose(
            snapshot.answers[LayerMaps("conv1")].maps, wanted.answers[LayerMaps("conv1")].maps, atol=1e-5
        )
        of = seed if question not in snapshot.pictures else taken_of[-1]
        taken_of.append(of)
        its_own = whole.process(picture(of), request)
        np.testing.assert_array_equal(snapshot.picture_of(question), its_own.input_image)
        close(snapshot.answers[question], its_own.answers[question])
        assert processor.is_unfinished == (of != seed)
    assert taken_of == [1, 1, 1, 4, 4, 4, 7, 7]
    frame = picture(8)
    processor.process(frame, request)
    settled = processor.process(frame, request)  # nothing came meanwhile
    assert not processor.is_unfinished
    assert not settled.pictures
    np.testing.assert_array_equal(settled.picture_of(question), settled.input_image)
    close(settled.answers[question], whole.process(frame, request).answers[question])


def close(one: Any, other: Any) -> None:
    for values in ("map", "image"):
        if hasattr(one, values):
            np.testing.assert_allclose(getattr(one, values), getattr(other, values), atol=1e-5)
            return
    pytest.fail("nothing was compared")


@pytest.mark.usefixtures("every_third")
def test_a_mean_over_frames_counts_each_that_was_taken_once(small: Any) -> None:
    processor, asked = FrameProcessor(small, lower_rate=LowerRate()), InputContributions("conv2", 3)
    request, still = Request(frozenset({asked, GrowingAverage(asked)})), picture(3).image
    counts = [
        processor.process(SourceFrame(still.copy(), FrameInfo("camera", number)), request)
        .answers[GrowingAverage(asked)]
        .repetitions
        for number in range(7)
    ]
    assert counts == sorted(counts)
    assert counts[-1] < 7
    assert counts[-1] > counts[0]


def test_without_a_lower_rate_every_frame_is_answered_whole(small: Any) -> None:
    processor = FrameProcessor(small)
    for seed in range(5):
        snapshot = processor.process(picture(seed), Request(frozenset({LayerMaps("conv1"), SHOWN[0]})))
        assert not snapshot.pictures
        assert snapshot.every == 1


def test_beside_a_list_that_lags_only_frames_without_it_tell_what_the_overlay_costs(small: Any) -> None:
    processor = FrameProcessor(small, lower_rate=LowerRate())
    listed = UnitsInRegionOfLayers(("conv1", "conv2"), Rect(0, 0, 16, 16), 3)
    request = Request(frozenset({LayerMaps("conv1"), listed, SHOWN[0]}))
    for seed in range(12):
        snapshot = processor.process(picture(seed), request)
        assert {LayerMaps("conv1"), listed, SHOWN[0]} <= set(snapshot.answers)
    assert snapshot.every >= 1


# -- what is drawn -----------------------------------------------------------------------------------------------------


def test_the_input_pane_holds_the_picture_that_the_overlay_is_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepvis_toolbox.live.panes.overlays.paint_heat", lambda *_: None)
    assert paint_heat
    state = state_at("conv1", 1)
    state.view.overlay = "Grad-CAM"
    newest = snapshot_for(state)
    question = overlay_question(state)
    held = np.full_like(newest.input_image, 200)
    seen = {
        name: drawn(state, snapshot)
        for name, snapshot in {
            "newest": newest,
            "held": replace(newest, pictures={question: held}, every=2),
            "still": replace(newest, input_image=held),
        }.items()
    }

    def pane(name: str, which: str) -> np.ndarray:
        pixels, boxes = seen[name]
        return part(pixels, boxes[which])

    np.testing.assert_array_equal(pane("held", "input"), pane("still", "input"))
    assert not np.array_equal(pane("held", "input"), pane("newest", "input"))
    np.testing.assert_array_equal(pane("held", "tiles"), pane("newest", "tiles"))
    assert not np.array_equal(pane("held", "status"), pane("newest", "status"))


@pytest.mark.parametrize(
    ("overlay", "backward", "every", "said"),
    [
        ("Grad-CAM", "off", 1, None),
        ("Grad-CAM", "off", 2, ("every 2nd picture", "Grad-CAM")),
        ("gradient", "off", 3, ("every 3rd picture", "gradient norm")),
        ("none", "grad", 4, ("every 4th picture", "backward")),
        ("Grad-CAM", "deconv", 2, ("every 2nd picture", "Grad-CAM, backward")),
        ("heat", "off", 2, None),
    ],
)
def test_the_status_line_says_how_often(overlay: Any, backward: Any, every: int, said: tuple[str, str] | None) -> None:
    state = state_at("conv1", 1)
    state.view.overlay, state.view.backward = overlay, backward
    values = status_values(state, replace(snapshot_for(state), every=every))
    assert [value for value in values if value[0].startswith("every ")] == ([said] if said else [])


# -- in a real window --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def driver(
    display: Display, load_small: Any, video: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Driver]:
    driver = Driver(display, load_small, [open_source(str(video))], tmp_path_factory.mktemp("shots"))
    driver.run_until(lambda: bool(driver.state.facts.layers))
    yield driver
    driver.close()


@pytest.mark.display
@pytest.mark.usefixtures("every_third")
def test_keys_lay_grad_cam_over_a_film_with_the_picture_that_it_is_of_and_a_frozen_one_gets_its_own(
    driver: Driver,
) -> None:
    def press(key: str, holds: Callable[[], bool]) -> None:
        driver.display.xdotool("key", key)
        driver.run_until(holds)

    for overlay in ("area", "heat", "Grad-CAM"):
        press("y", lambda wanted=overlay: driver.state.view.overlay == wanted)  # type: ignore[misc]
    question = overlay_question(driver.state)

    def holds_a_former_one() -> bool:
        snapshot = driver.loop.snapshot
        return bool(snapshot) and question in snapshot.pictures and snapshot.picture_of(question).mean() > 0  # type: ignore[union-attr]

    numbers = set()
    for _ in range(3):
        driver.run_until(holds_a_former_one)
        snapshot = driver.loop.snapshot
        assert snapshot is not None
        assert abs(float(snapshot.picture_of(question).mean()) - float(snapshot.input_image.mean())) > 3, (
            "another frame"
        )
        numbers.add(snapshot.frame.number)
        assert dict(status_values(driver.state, snapshot))["every 3rd picture"] == "Grad-CAM"
        driver.run_until(lambda: driver.picture[1] not in numbers)
    assert len(numbers) == 3
    press("f", lambda: driver.state.view.camera_frozen)
    driver.settle()
    driver.run_until(lambda: bool(driver.loop.snapshot) and not driver.loop.snapshot.pictures)  # type: ignore[union-attr]
    driver.settle()
    snapshot = driver.loop.snapshot
    assert snapshot is not None
    assert question in snapshot.answers
    np.testing.assert_array_equal(snapshot.picture_of(question), snapshot.input_image)
