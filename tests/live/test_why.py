"""Why a unit fires, without a window: what is asked, the tiles, and a walk from a class down and back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from deepvis_toolbox.live.layout import make_request
from deepvis_toolbox.live.look import Look, look_for
from deepvis_toolbox.live.panes import why
from deepvis_toolbox.live.panes.unit_tiles import UnitGrid
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.frame_processor import FrameProcessor
from deepvis_toolbox.live.work.loaded_network import LoadedNetwork
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import Contributors, LayerMaps, Raised, UnitContributions
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame
from deepvis_toolbox.words.unit import Unit

from .scenes import KEYS, drawn, scene_of, snapshot_for, state_at

PANE = why.WhyPane()


def press(state: State, *keys: str) -> State:
    for key in keys:
        assert KEYS.press(state, key)
    return state


def test_the_key_goes_round_and_asks_what_it_shows() -> None:
    state = state_at("block2.expand", 7)
    asked = [set(make_request(press(state, "v")).questions) for _ in range(3)]
    nothing = set(make_request(state_at("block2.expand", 7)).questions)
    assert asked[0] - nothing == {Contributors("block2.expand", 7)}
    assert asked[1] - nothing == {Raised("block2.expand", 7, top=6), Raised("block2.expand", 7, "fc", 4)}
    assert asked[2] == nothing


def test_another_key_asks_for_the_weights_and_their_kernels_are_the_tiles(load_small: Callable[[], object]) -> None:
    network, state = load_small(), State()
    LoadedNetwork.of(network, "conv2:3").introduce(state)  # type: ignore[arg-type]
    press(state, "W")
    snapshot = process(network, state)
    kernels = network.graph_module.conv2.weight[3].detach().numpy()  # type: ignore[attr-defined]
    tiles = why._tiles(scene_of(state, snapshot))
    assert len(tiles) == 8
    for tile in tiles:
        np.testing.assert_allclose(tile.map, kernels[tile.unit.channel], rtol=1e-4, atol=1e-6)
        assert (tile.share > 0) == (kernels[tile.unit.channel].sum() > 0)
    assert press(state, "W").view.why == "off"
    assert press(state, "W", "v").view.why == "feeds"


def test_of_the_classes_what_they_raise_is_not_asked_twice() -> None:
    state = press(state_at("fc", 7), "v", "v")
    assert [one for one in make_request(state).questions if isinstance(one, Raised)] == [Raised("fc", 7, top=6)]


def test_the_pane_takes_the_place_of_the_unit_images() -> None:
    boxes = drawn(state := state_at(), snapshot_for(state))[1]
    press(state, "v")
    with_it = drawn(state, snapshot_for(state))[1]
    assert with_it["why"] == boxes["unit images"]
    assert {**with_it, "unit images": with_it["why"]}.items() >= boxes.items()


def test_the_input_says_that_nothing_feeds_it() -> None:
    state = press(state_at("data"), "v")
    assert not any(isinstance(one, Contributors) for one in make_request(state).questions)
    assert why._why_none(scene_of(state, snapshot_for(state))) == "nothing feeds data: it is the input"


def test_a_refusal_is_told_in_the_pane() -> None:
    state = press(state_at("fc", 3), "v", "v")
    snapshot = snapshot_for(state, refusals={Raised("fc", 3, top=6): "it is the last layer"})
    assert why._why_none(scene_of(state, snapshot)) == "it is the last layer"


@pytest.mark.parametrize("room", [(860, 240), (400, 240), (300, 190), (90, 120)])
def test_tiles_lie_in_the_pane_and_a_click_finds_the_one_drawn_there(room: tuple[int, int]) -> None:
    grid = UnitGrid.fitting(10, *room, Look())
    boxes = [grid.box(index) for index in range(10)]
    if min(room) > 100:
        assert all(box.bottom <= room[0] and box.right <= room[1] for box in boxes)
    for index, box in enumerate(boxes):
        assert grid.index_at(10, box.left, box.top) == index
        assert grid.index_at(10, box.right - 1, box.bottom - 1) == index
    assert grid.index_at(10, boxes[0].left, boxes[-1].bottom) is None


def process(network: object, state: State) -> Snapshot:
    image = np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    request = make_request(state)
    return FrameProcessor(network).process(SourceFrame(image, FrameInfo("noise", 0)), request)  # type: ignore[arg-type]


def test_a_walk_from_a_class_to_the_pixels_and_back(load_small: Callable[[], object]) -> None:
    network, state = load_small(), State()
    LoadedNetwork.of(network, "fc:3").introduce(state)  # type: ignore[arg-type]
    press(state, "v")
    walked = [state.address]
    for _ in range(3):
        snapshot = process(network, state)
        answer: UnitContributions = snapshot.answers[Contributors(state.layer.name, state.view.unit)]  # type: ignore[union-attr]
        scene = scene_of(state, snapshot, look_for(Look(), 1500, 930))
        tiles = why._tiles(scene)
        assert [tile.unit for tile in tiles] == list(answer.units)
        assert [abs(tile.share) for tile in tiles] == sorted((abs(tile.share) for tile in tiles), reverse=True)
        assert abs(tiles[0].share) == 1
        body = 900 - scene.look.px(scene.look.caption)
        top, grid = why._grid(body, 250, scene.look)
        box = grid.box(0)
        found = PANE.hit(900, 250, scene, box.left + 3, scene.look.px(scene.look.caption) + top + box.top + 3)
        assert found.what == answer.units[0]
        assert found.click
        found.click(state)
        assert state.selected == answer.units[0]
        walked.append(state.address)
    assert state.layer is not None
    assert state.layer.kind == "input"
    for address in reversed(walked[:-1]):
        press(state, "backspace")
        assert state.address == address
    press(state, "backspace")
    assert "where the walk began" in state.facts.message


def test_the_tiles_hold_the_units_own_maps(load_small: Callable[[], object]) -> None:
    network, state = load_small(), State()
    LoadedNetwork.of(network, "fc:3").introduce(state)  # type: ignore[arg-type]
    press(state, "v")
    image = np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    answer = process(network, state).answers[Contributors("fc", 3)]
    wanted = network.forward(network.preprocess(image), [answer.units[0].layer])  # type: ignore[attr-defined]
    for unit, own in zip(answer.units, answer.maps, strict=True):
        np.testing.assert_allclose(own, wanted[unit.layer][0, unit.channel], rtol=1e-4, atol=1e-5)


def test_what_a_layer_raises_by_default_is_the_next_that_mixes_it(load_small: Callable[[], object]) -> None:
    network, state = load_small(), State()
    LoadedNetwork.of(network, "conv1:3").introduce(state)  # type: ignore[arg-type]
    press(state, "v", "v")
    answers = process(network, state).answers
    assert answers[Raised("conv1", 3, top=6)].layer == "conv2"
    assert answers[Raised("conv1", 3, "prob", 4)].units[0].layer == "prob"
    LoadedNetwork.of(network, "prob:3").introduce(state)  # type: ignore[arg-type]
    assert "nothing above prob mixes" in process(network, state).refusals[Raised("prob", 3, top=6)]


def test_a_reset_forgets_the_walk() -> None:
    state = state_at("conv1", 3)
    state.view.trail = (Unit("fc", 1),)
    press(state, "escape")
    assert state.view.trail == ()


def test_an_engine_without_edited_passes_says_so_and_the_rest_is_answered(
    load_small: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, state = load_small(), State()
    monkeypatch.setattr(network, "no_edits", "real Caffe computes no edited passes")
    LoadedNetwork.of(network, "conv1:3").introduce(state)  # type: ignore[arg-type]
    snapshot = process(network, press(state, "v", "v"))
    assert why._why_none(scene_of(state, snapshot)) == "real Caffe computes no edited passes"
    assert LayerMaps("conv1") in snapshot.answers
