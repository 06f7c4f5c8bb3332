"""The statistics pane without a window: what is asked, the last ten seconds, the marks of units that are off."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from deepvis_toolbox.drawing.plots import paint_histogram, paint_line
from deepvis_toolbox.live.layout import make_request
from deepvis_toolbox.live.panes import tiles
from deepvis_toolbox.live.panes.selected import SelectedPane
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.frame_processor import FrameProcessor
from deepvis_toolbox.live.work.history import HistoryKeeper, UnitHistory
from deepvis_toolbox.live.work.loaded_network import LoadedNetwork
from deepvis_toolbox.measure import LayerSpread, LayerStatistics, Spread
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame

from .scenes import KEYS, drawn, part, scene_of, snapshot_for, state_at


def press(state: State, *keys: str) -> State:
    for key in keys:
        assert KEYS.press(state, key)
    return state


def spread(largest: float = 2.0, off: tuple[int, ...] = (), unit: bool = True) -> LayerSpread:
    edges = np.linspace(-1, 3, 11, dtype=np.float32)
    one = Spread(np.arange(10), edges, largest, 0.5, 1.0, 0.25, None, 0)
    return LayerSpread(one, one if unit else None, 3, off)


def test_the_key_asks_for_the_statistics_and_takes_the_place_of_the_unit_images() -> None:
    state = state_at("block2.expand", 7)
    before, boxes = make_request(state).questions, drawn(state, snapshot_for(state))[1]
    press(state, "H")
    asked = LayerStatistics("block2.expand", 7)
    assert make_request(state).questions - before == {asked, UnitHistory(asked)}
    assert drawn(state, snapshot_for(state))[1]["statistics"] == boxes["unit images"]
    assert make_request(press(state, "H")).questions == before


def test_a_click_on_the_selected_units_caption_shows_them() -> None:
    state = state_at()
    scene = scene_of(state, None)
    found = SelectedPane().hit(200, 200, scene, 30, 5)
    assert found.click
    found.click(state)
    assert state.view.show_statistics
    assert SelectedPane().hit(200, 200, scene, 30, 100).click is None


def test_the_curve_is_of_the_last_ten_seconds_and_another_unit_begins_anew() -> None:
    now = 100.0
    keeper = HistoryKeeper(lambda: now)
    question = UnitHistory(LayerStatistics("conv1", 3))
    for step in range(30):
        now = 100.0 + step / 2
        curve = keeper.follow(question, spread(largest=float(step)))
    np.testing.assert_allclose(curve.seconds, np.arange(-20, 1) / 2)
    np.testing.assert_allclose(curve.largest, np.arange(9, 30))
    assert (curve.mean == 0.5).all()
    assert keeper.follow(UnitHistory(LayerStatistics("conv1", 4)), spread()).seconds.tolist() == [0]
    assert keeper.follow(UnitHistory(LayerStatistics("conv1", 5)), spread(unit=False)).seconds.size == 0


def test_the_live_pass_answers_with_the_curve(load_small: Callable[[], object]) -> None:
    network, state = load_small(), State()
    LoadedNetwork.of(network, "conv2:3").introduce(state)  # type: ignore[arg-type]
    press(state, "H")
    now = 0.0
    processor = FrameProcessor(network, clock=lambda: now)  # type: ignore[arg-type]
    asked, largest = LayerStatistics("conv2", 3), []
    for number in range(3):
        now = number / 10
        image = np.random.default_rng(number).integers(0, 255, (40, 40, 3)).astype(np.uint8)
        snapshot = processor.process(SourceFrame(image, FrameInfo("noise", number)), make_request(state))
        values = network.forward(network.preprocess(image), ["conv2"])["conv2"][0]  # type: ignore[attr-defined]
        largest.append(float(values[3].max()))
        assert snapshot.answers[asked].rank == int((values.amax((1, 2)) > values[3].max()).sum())
    curve = snapshot.answers[UnitHistory(asked)]
    np.testing.assert_allclose(curve.largest, largest, rtol=1e-4)
    np.testing.assert_allclose(curve.seconds, [-0.2, -0.1, 0], atol=1e-6)


def test_units_that_are_off_are_marked_in_the_tiles_while_statistics_are_shown() -> None:
    state = press(state_at("conv1", 1), "H")
    question = LayerStatistics("conv1", 1)
    snapshot = snapshot_for(state)
    snapshot.answers[question] = spread(off=(2, 15))  # type: ignore[index]
    for shown in (True, False):
        pixels, boxes = drawn(state, snapshot)
        scene = scene_of(state, snapshot)
        grid = tiles.tile_grid(boxes["tiles"].height, boxes["tiles"].width, scene)
        assert grid
        body = part(pixels, boxes["tiles"])[scene.look.px(scene.look.caption) :]
        marked = [
            unit
            for unit in range(16)
            if (body[grid.tile_rect(unit).top, grid.tile_rect(unit).right - 1] == np.array(scene.look.warning)).all()
        ]
        assert marked == ([2, 15] if shown else [])
        state.view.show_statistics = False


@pytest.mark.parametrize("counts", [[0, 0, 0], [5], [0, 1, 1000000, 3]])
def test_histogram_bars_go_with_the_counts_logarithm(counts: list[int]) -> None:
    pixels = np.zeros((101, 4 * len(counts), 3), np.uint8)
    paint_histogram(pixels, np.array(counts), (255, 255, 255))
    heights = (pixels[:, ::4, 0] > 0).sum(0)
    wanted = np.log1p(counts) / max(np.log1p(counts).max(), 1e-9) * 101
    np.testing.assert_allclose(heights, wanted, atol=1)


def test_a_line_goes_through_its_points_and_passes_over_those_that_are_none() -> None:
    pixels = np.zeros((51, 101, 3), np.uint8)
    x, y = np.array([0, 0.5, 0.7, 1], np.float32), np.array([0, 1, np.nan, 0], np.float32)
    paint_line(pixels, x, y, (0, 1), (255, 255, 255), 1)
    for column, row in ((0, 50), (50, 0), (100, 50), (25, 25), (75, 25)):
        assert pixels[max(0, row - 1) : row + 2, column].any()
    before = pixels.copy()
    paint_line(pixels, x, np.full(4, np.inf, np.float32), (0, 1), (9, 9, 9), 1)
    np.testing.assert_array_equal(pixels, before)
