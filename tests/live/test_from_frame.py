"""A preferred image that grows from a frame, without a window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.live.layout import make_request
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.accentuation import GrownFromFrame
from deepvis_toolbox.live.work.frame_processor import FrameProcessor
from deepvis_toolbox.live.work.loaded_network import LoadedNetwork
from deepvis_toolbox.pipeline.from_frame import FromFrame
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame
from deepvis_toolbox.words.unit import Unit

from .scenes import KEYS, drawn, part, snapshot_for, state_at


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 200, (32, 32, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def network(load_small: Callable[[], object]) -> object:
    return load_small()


@pytest.mark.parametrize("unit", [Unit("conv2", 3), Unit("fc", 4)])
def test_it_begins_as_the_picture_and_the_unit_gets_more(network, unit: Unit) -> None:
    climb = FromFrame(network, unit, picture())
    assert climb.answer().image is None
    climb.advance()
    first = climb.answer()
    np.testing.assert_allclose(first.image.astype(int), picture().astype(int), atol=1)
    for _ in range(20):
        climb.advance()
    last = climb.answer()
    assert (last.step, last.first) == (21, first.first)
    values = [
        float(network.record(network.preprocess(image)).below_rectifier(unit.layer)[0, unit.channel].mean())
        for image in (first.image, last.image)
    ]
    assert values[1] > values[0] + 0.02
    assert 1 < abs(last.image.astype(int) - first.image.astype(int)).mean() < 40, "it is the same picture, changed"


def test_a_unit_that_is_not_there_is_refused(network) -> None:
    with pytest.raises(ToolboxError, match="units 0 to 9"):
        FromFrame(network, Unit("fc", 77), picture())


def live(network) -> tuple[State, FrameProcessor]:
    state = State()
    LoadedNetwork.of(network, "conv2:3").introduce(state)
    assert KEYS.press(state, "G")
    return state, FrameProcessor(network)


def test_it_grows_while_the_frame_stands_still_and_stays_that_frames(network) -> None:
    state, processor = live(network)
    question = GrownFromFrame(Unit("conv2", 3))
    frame = SourceFrame(picture(), FrameInfo("camera", 0))

    def answer(frame: SourceFrame):
        return processor.process(frame, make_request(state)).answers[question]

    assert answer(frame).image is None, "a camera's first frame may be gone at once"
    assert processor.is_unfinished
    steps = [answer(frame).step for _ in range(3)]
    assert steps == [1, 2, 3]
    assert answer(SourceFrame(picture(1), FrameInfo("camera", 1))).step == 3, "another frame: it waits"
    assert answer(SourceFrame(picture(2), FrameInfo("cat.png", 0, is_still=True))).step == 4
    assert abs(answer(frame).image.astype(int) - picture()).mean() < abs(picture(2).astype(int) - picture()).mean()
    assert KEYS.press(state, "G")
    assert question not in processor.process(frame, make_request(state)).answers
    assert not processor.is_unfinished


def test_the_selection_may_move_on_and_the_key_starts_with_the_new_unit(network) -> None:
    state, _ = live(network)
    state.view.unit = 5
    assert state.view.from_frame == Unit("conv2", 3)
    KEYS.press(state, "G")
    assert state.view.from_frame == Unit("conv2", 5)
    KEYS.press(state, "G")
    assert state.view.from_frame is None


def test_the_pane_says_why_there_is_nothing_and_shows_what_grows(network) -> None:
    state = state_at("conv1", 3)
    KEYS.press(state, "G")
    question = GrownFromFrame(Unit("conv1", 3))
    climb = FromFrame(network, Unit("conv1", 3), picture())
    shown = []
    for _ in range(2):
        snapshot = snapshot_for(state)
        snapshot.answers[question] = climb.answer()  # type: ignore[index]
        pixels, boxes = drawn(state, snapshot)
        shown.append(part(pixels, boxes["from this frame"]).std())
        climb.advance()
    assert shown[0] > 0
    assert shown[1] > 1.5 * shown[0]
