"""Comparing without a window: keys, what is asked, what the panes say, and live passes that are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox.live.actions import go_to
from deepvis_toolbox.live.layout import PANES, make_request
from deepvis_toolbox.live.other_network import OtherNetworkFacts
from deepvis_toolbox.live.panes import changed, classes
from deepvis_toolbox.live.panes.maps import no_maps_note, shown_maps
from deepvis_toolbox.live.panes.pinned import compared_text, pinnable
from deepvis_toolbox.live.panes.questions import classes_question
from deepvis_toolbox.live.panes.status_line import COMPARED, _more_columns
from deepvis_toolbox.live.pictures.saved_values import save_values
from deepvis_toolbox.live.pictures.screenshot import description
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.view_record import view_from, view_record
from deepvis_toolbox.live.work.counterpart import Counterpart
from deepvis_toolbox.live.work.frame_processor import FrameProcessor
from deepvis_toolbox.live.work.loaded_network import LoadedNetwork
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import (
    ClassProbabilities,
    Compared,
    Difference,
    LayerGradients,
    LayerMaps,
    MostDifferent,
    Pinned,
    UnitsByScore,
)
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.network.tracing import trace
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.words.comparison import OTHER_NETWORK, Reference
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.unit import Unit
from tests.nets import opened

from .conftest import Display, Driver, SmallNet
from .scenes import LAYERS, drawn, part, scene_of, snapshot_for, state_at
from .test_what_if import frame, live_state, press

EVERYTHING = tuple(layer.name for layer in LAYERS[1:])


def pinned_state(layer: str = "conv1", unit: int = 3, **changes: object) -> tuple[State, Reference]:
    state = state_at(layer, unit, **changes)
    state.facts.pinnable = Pinned(np.zeros((32, 32, 3), np.uint8), name="cat.png")
    press(state, "=")
    assert state.view.pinned is state.facts.pinnable
    assert state.view.pinned
    return state, state.view.pinned


def test_a_key_pins_the_shown_picture_and_lets_it_go() -> None:
    state = press(state_at(), "=")
    assert state.view.pinned is None
    assert state.facts.message == "there is no picture yet that could be pinned"
    state, pinned = pinned_state()
    assert state.reference is pinned
    assert "pinned cat.png" in state.facts.message
    state.facts.pinnable = Pinned(np.ones((32, 32, 3), np.uint8))
    assert press(state, "=").view.pinned is None, "not the next one at once"
    assert press(state, "=", "escape").view.pinned is None


def test_what_is_asked_while_a_frame_is_pinned() -> None:
    state, pinned = pinned_state()
    asked = make_request(state).questions
    assert {Difference(pinned, LayerMaps("conv1")), Compared(pinned, ClassProbabilities())} < asked
    assert LayerMaps("conv1") not in asked
    press(state, "N")
    assert MostDifferent(pinned, EVERYTHING) in make_request(state).questions
    press(state, "b", "a")
    gradients = LayerGradients("conv1", Unit("conv1", 3), "grad")
    assert Difference(pinned, gradients) in make_request(state).questions
    assert state.view.tiles_show == "gradients, now − pinned"
    before = make_request(state_at("conv1", 3)).measurements.keys()
    assert make_request(press(state, "a", "b", "b", "b", "b", "b", "=")).measurements.keys() == before, "as it was"


def test_edits_and_perturbations_are_among_the_difference() -> None:
    state, pinned = pinned_state()
    press(state, "x")
    asked = set(make_request(state).measurements.values())
    assert {Difference(pinned, LayerMaps("conv1")), Compared(pinned, ClassProbabilities())} < asked
    assert not any("AsItIs" in repr(one) for one in asked), "one comparison at a time"
    press(state, "A")
    assert not state.view.show_changes
    assert "now − pinned" in state.facts.message


def test_differences_need_something_to_compare_with() -> None:
    state = press(state_at(), "N")
    assert not state.view.show_most_different
    assert "= pins the frame" in state.facts.message
    state, _ = pinned_state()
    press(state, "N", "=")
    assert "most different" not in drawn(state, snapshot_for(state))[1]


def compared_snapshot(state: State, maps: np.ndarray) -> Snapshot:
    snapshot = snapshot_for(state, maps)
    assert state.reference
    snapshot.answers[Compared(state.reference, ClassProbabilities())] = snapshot.answers[ClassProbabilities()]  # type: ignore[index]
    found = UnitsByScore((Unit("fc", 9), Unit("conv1", 2)), np.float32([3.5, 0.25]))
    snapshot.answers[MostDifferent(state.reference, EVERYTHING)] = found  # type: ignore[index]
    return snapshot


def test_differences_are_drawn_signed_and_the_scale_is_stated() -> None:
    state, _ = pinned_state()
    maps = np.zeros((16, 8, 8), np.float32)
    maps[3], maps[4] = 2, -1
    scene = scene_of(state, compared_snapshot(state, maps))
    shown = shown_maps(scene)
    assert shown
    assert shown.levels.signed
    assert (shown.levels.indices[3].max(), shown.levels.full, shown.what) == (255, 2.0, "differences")
    assert shown.levels.indices[4].min() == 128 - 63
    assert shown.palette is scene.look.gradient_palette, "the colours of changes"
    pixels, boxes = drawn(state, scene.snapshot)
    plain, _ = drawn(press(pinned_state()[0], "="), snapshot_for(state_at("conv1", 3)))
    for name in ("tiles", "selected", "input", "status"):
        assert (part(pixels, boxes[name]) != part(plain, boxes[name])).any(), name


def test_a_pinned_picture_lies_in_the_inputs_corner_and_the_status_line_names_it() -> None:
    state, _ = pinned_state()
    snapshot = snapshot_for(state, input_image=np.full((32, 32, 3), 255, np.uint8))
    pixels, boxes = drawn(state, snapshot)
    shown = part(pixels, boxes["input"])
    black = (shown == 0).all(axis=2)
    rows, columns = np.nonzero(black)
    assert black.sum() > 0.04 * black.size
    assert columns.min() > 0.5 * shown.shape[1]
    assert rows.max() < 0.5 * shown.shape[0]
    assert compared_text(state) == "now − pinned: cat.png"
    assert _more_columns(state) == [COMPARED]
    assert not _more_columns(press(state, "="))


def test_the_name_of_a_pinned_picture_says_what_was_changed_then() -> None:
    state = press(state_at("conv1", 3), "x", "2")
    found = pinnable(snapshot_for(state))
    assert found
    assert found.name == "ostrich.jpg (3 of 500), frame 3, conv1:3 off, blur 1 px"
    assert found.edits == (Edit("conv1", [3], "zero"),)
    assert pinnable(snapshot_for(state, error="it failed")) is None
    assert pinnable(None) is None


def test_the_units_that_differ_most_are_listed_and_a_click_goes_there() -> None:
    state, _ = pinned_state()
    press(state, "N")
    snapshot = compared_snapshot(state, np.ones((16, 8, 8), np.float32))
    pixels, boxes = drawn(state, snapshot)
    box, scene = boxes["most different"], scene_of(state, snapshot)
    assert part(pixels, box).any()
    row = scene.look.px(scene.look.caption) + scene.look.px(5) + scene.look.px(scene.look.row) + 3
    found = PANES["most different"].hit(box.height, box.width, scene, 20, row)
    assert found.what == Unit("conv1", 2)
    assert found.click
    found.click(state)
    assert state.address == "conv1:2"


def test_a_tag_says_where_the_compared_network_is_edited(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(changed, "draw_badge", lambda _, __, text, **___: written.append(text))
    state, _ = pinned_state()
    press(state, "x")
    drawn(state, compared_snapshot(state, np.ones((16, 8, 8), np.float32)))
    assert written == ["edited"] * 2, "tiles, selected unit"


@pytest.fixture(scope="module")
def small(load_small: Callable[[], object]):
    return load_small()


def answered(processor: FrameProcessor, state: State, seed: int) -> Snapshot:
    """A frame's answers, which the state then shows."""
    snapshot = processor.process(frame(seed), make_request(state))
    state.facts.take(PANES["input"].facts(200, 200, scene_of(state, snapshot)))
    return snapshot


def test_a_pinned_frame_gives_the_difference_of_any_layer_selected_later(small) -> None:
    state, processor = live_state(small), FrameProcessor(small)
    answered(processor, state, 0)
    press(state, "=")
    x = [small.preprocess(frame(seed).image) for seed in (0, 1)]
    for layer in small.layers:
        go_to(state, Unit(layer, 1))
        (then, now), snapshot = (small.forward(each, [layer])[layer] for each in x), answered(processor, state, 1)
        found = snapshot.answers[Difference(state.view.pinned, LayerMaps(layer))]
        np.testing.assert_allclose(found.maps, (now - then)[0], rtol=1e-4, atol=1e-5)
        assert not snapshot.refusals
    same = answered(processor, state, 0).answers[Difference(state.view.pinned, LayerMaps(layer))]
    assert not same.maps.any()


def test_a_frame_pinned_while_a_unit_is_off_keeps_that(small) -> None:
    state, processor = live_state(small), FrameProcessor(small)
    press(state, "x")
    answered(processor, state, 0)
    press(state, "=", "x")
    go_to(state, Unit("fc", 0))
    found = answered(processor, state, 0).answers[Difference(state.view.pinned, LayerMaps("fc"))]
    x = small.preprocess(frame(0).image)
    wanted = small.forward(x, ["fc"])["fc"] - small.forward(x, ["fc"], [Edit("conv2", [3], "zero")])["fc"]
    np.testing.assert_allclose(found.maps, wanted[0], rtol=1e-3, atol=1e-5)
    assert found.maps.any()


def test_a_pin_holds_with_the_frame_frozen_perturbed_and_stretched(small) -> None:
    state, processor = live_state(small), FrameProcessor(small)
    answered(processor, state, 0)
    press(state, "f", "=")
    question = Difference(state.view.pinned, LayerMaps("conv2"))
    assert not answered(processor, state, 0).answers[question].maps.any()
    press(state, "3")
    bright = answered(processor, state, 0)
    now, then = (small.forward(small.preprocess(each), ["conv2"])["conv2"] for each in
                 (bright.input_image, state.view.pinned.image))  # fmt: skip
    np.testing.assert_allclose(bright.answers[question].maps, (now - then)[0], rtol=1e-4, atol=1e-5)
    press(state, "0", "3", "3", "3", "3")
    assert not state.view.is_changed
    assert not answered(processor, state, 0).answers[question].maps.any(), "a square picture is cut as it is stretched"


def test_other_weights_let_the_pinned_frame_go(small, load_small: Callable[[], object]) -> None:
    state, other = live_state(small), load_small()
    answered(FrameProcessor(small), state, 0)
    press(state, "=")
    late = answered(FrameProcessor(other), state, 0)
    question = Difference(state.view.pinned, LayerMaps("conv2"))
    assert late.refusals[question] == "the pinned frame was computed with other weights than the network has now"
    LoadedNetwork.of(other).introduce_again(state)  # type: ignore[arg-type]
    assert state.view.pinned is None
    assert "other weights" in state.facts.message


def test_a_screenshot_and_saved_values_say_what_was_compared(small, tmp_path: Path) -> None:
    from datetime import datetime

    state, processor = live_state(small), FrameProcessor(small)
    answered(processor, state, 0)
    press(state, "=")
    snapshot = answered(processor, state, 1)
    assert description(state, snapshot, {})["pinned"] == "noise, frame 0"
    assert view_from(view_record(state.view)).pinned is None
    with np.load(save_values(tmp_path, datetime.now(), state, snapshot, {})) as saved:
        wanted = snapshot.answers[Difference(state.view.pinned, LayerMaps("conv2"))].maps
        np.testing.assert_array_equal(saved["differences"], wanted)


def test_the_classes_are_compared_with_those_of_the_pinned_frame(small) -> None:
    state, processor = live_state(small), FrameProcessor(small)
    then = answered(processor, state, 0).answers.get(ClassProbabilities())
    press(state, "=")
    scene = scene_of(state, answered(processor, state, 1))
    before = classes._before(scene)
    assert then is not None
    assert before is not None
    np.testing.assert_array_equal(before, then.probabilities)


# -- two networks ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(small) -> tuple[object, Counterpart]:
    """The small network, and one with other weights behind its first layer."""
    module = SmallNet()
    with torch.no_grad():
        module.conv2.weight *= 1.5
    description = replace(small.description, name="changed")
    other = TorchNetwork(trace(module, (3, 32, 32)), description, torch.device("cpu"))
    return small, Counterpart(other, "changed.pt")


def two_networks(pair: tuple[object, Counterpart], address: str = "conv2:3") -> tuple[State, FrameProcessor]:
    network, counterpart = pair
    state = State()
    LoadedNetwork.of(network, address, other=counterpart.facts(network)).introduce(state)  # type: ignore[arg-type]
    return state, FrameProcessor(network, other=counterpart.network)  # type: ignore[arg-type]


def values_of(pair: tuple[object, Counterpart], layer: str, seed: int = 0) -> list[np.ndarray]:
    found = []
    for network in (pair[0], pair[1].network):
        x = network.preprocess(frame(seed).image)  # type: ignore[attr-defined]
        found.append(network.forward(x, [layer])[layer][0].numpy())  # type: ignore[attr-defined]
    return found


def test_two_networks_start_with_the_difference_and_a_key_shows_each(pair) -> None:
    state, processor = two_networks(pair)
    a, b = values_of(pair, "conv2")
    for shown, wanted in (("A − B", a - b), ("A", a), ("B", b), ("A − B", a - b)):
        assert state.view.networks == shown
        snapshot = answered(processor, state, 0)
        maps = shown_maps(scene_of(state, snapshot))
        assert maps
        assert not maps.is_stale
        np.testing.assert_allclose(maps.values, wanted, rtol=1e-4, atol=1e-5)
        assert (a - b).any()
        press(state, "B")
        assert state.facts.message.startswith("the tiles show")


def test_tiles_of_both_networks_have_one_scale(pair) -> None:
    state, processor = two_networks(pair)
    largest = max(float(np.abs(values).max()) for values in values_of(pair, "conv2"))
    for _ in range(2):
        press(state, "B")
        maps = shown_maps(scene_of(state, answered(processor, state, 0)))
        assert maps
        assert maps.levels.full == pytest.approx(largest)
        assert maps.levels.indices.shape == maps.values.shape


def test_the_status_line_and_the_captions_say_which_network_is_shown(pair) -> None:
    state, _ = two_networks(pair)
    told = []
    for _ in range(3):
        told.append((compared_text(state), state.view.tiles_show))
        press(state, "B")
    assert told == [
        ("A − changed.pt", "A − B"),
        ("A: live_test_network:make", "activations of A"),
        ("B: changed.pt", "activations of B"),
    ]


def test_a_pinned_frame_and_the_other_network_take_turns(pair) -> None:
    state, processor = two_networks(pair)
    answered(processor, state, 0)
    press(state, "=")
    assert (state.view.networks, state.view.tiles_show) == ("A", "now − pinned")
    question = Difference(state.view.pinned, LayerMaps("conv2"))
    now, then = (values_of(pair, "conv2", seed)[0] for seed in (1, 0))
    np.testing.assert_allclose(answered(processor, state, 1).answers[question].maps, now - then, rtol=1e-4, atol=1e-5)
    press(state, "B")
    assert (state.view.networks, state.view.pinned) == ("A − B", None)
    press(state, "=", "=")
    assert state.view.networks == "A − B"
    assert press(state, "B", "escape").view.networks == "A − B"


def test_classes_of_both_are_compared_where_they_are_the_same_ones(pair) -> None:
    state, processor = two_networks(pair)
    a, b = values_of(pair, "prob")
    scene = scene_of(state, answered(processor, state, 0))
    np.testing.assert_allclose(classes._before(scene), b, rtol=1e-4)
    press(state, "B", "B")
    scene = scene_of(state, answered(processor, state, 0))
    np.testing.assert_allclose(scene.answer(classes_question(state)).probabilities, b, rtol=1e-4)
    assert classes._before(scene) is None
    other = OtherNetworkFacts("A", "B", labels=("dog", "cat"), has_classes=True)
    state.facts.other = other
    assert classes.shown_class_name(state, 1) == "cat"
    found = PANES["classes"].hit(100, 200, scene_of(state, scene.snapshot), 5, 5)
    assert found.click is None, "A has no such classes"
    press(state, "B")
    assert make_request(state).questions & {Compared(OTHER_NETWORK, ClassProbabilities())} == set()
    assert (a != b).any()


def test_a_layer_that_only_one_network_has_says_so(pair) -> None:
    small, _ = pair
    other = opened(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()), (32, 32))
    state, processor = two_networks((small, Counterpart(other, "other")))
    assert state.facts.other
    assert state.facts.other.layers == {small.input_name}
    assert not state.facts.other.has_classes
    question = Difference(OTHER_NETWORK, LayerMaps("conv2"))
    snapshot = answered(processor, state, 0)
    assert "has no layer conv2: there is nothing to compare with" in snapshot.refusals[question]
    assert no_maps_note(scene_of(state, snapshot)) == snapshot.refusals[question]
    press(state, "B")
    assert not answered(processor, state, 0).refusals, "A's own tiles are there"


def test_edits_change_a_alone(pair) -> None:
    state, processor = two_networks(pair, "conv1:2")
    press(state, "x")
    snapshot = answered(processor, state, 0)
    a, b = values_of(pair, "conv1")
    a[2] = 0
    maps = snapshot.answers[Difference(OTHER_NETWORK, LayerMaps("conv1"))].maps
    np.testing.assert_allclose(maps, a - b, rtol=1e-4, atol=1e-5)


def test_without_another_network_the_key_says_how_to_open_one(small) -> None:
    state = press(live_state(small), "B")
    assert state.facts.message == "there is one network only; --compare NAME opens another beside it"
    state.view.networks = "B"  # of a screenshot that is restored
    LoadedNetwork.of(small).introduce(state)
    assert state.view.networks == ""


@pytest.mark.display
def test_a_key_shows_the_other_network_in_a_real_window(
    display: Display, pair, photos: Path, load_small: Callable[[], object], tmp_path: Path
) -> None:
    sources = [open_source(str(photos / "cat.png"))]
    driver = Driver(display, load_small, sources, tmp_path, open_counterpart=lambda _: pair[1])
    try:
        driver.run_until(lambda: bool(driver.state.facts.layers))
        driver.settle()
        for key in ("Right", "Right", "Down"):
            driver.key(key)
        seen = []
        for _ in range(3):
            seen.append({name: panes.copy() for name, panes in driver.panes().items()})
            driver.key("shift+b")
        for one, other in combinations(seen, 2):
            for name in ("tiles", "selected", "status"):
                assert (one[name] != other[name]).any()
            assert (one["input"] == other["input"]).all()
        driver.key("shift+n")
        assert "most different" in driver.panes()
    finally:
        driver.close()
