"""The what-if bench without a window: keys, what is asked, what the panes say, and one live pass with edits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.actions import go_to
from deepvis_toolbox.live.actions_what_if import PERTURBATION_STEPS, drop_foreign_edits
from deepvis_toolbox.live.layout import PANES, make_request
from deepvis_toolbox.live.panes import changed, classes, what_if
from deepvis_toolbox.live.panes.marks import marked_text
from deepvis_toolbox.live.panes.tile_order import order_question, order_text
from deepvis_toolbox.live.pictures.screenshot import METADATA_KEY, save_screenshot
from deepvis_toolbox.live.state import State, View
from deepvis_toolbox.live.view_record import view_from, view_record
from deepvis_toolbox.live.work.frame_processor import FrameProcessor
from deepvis_toolbox.live.work.loaded_network import LoadedNetwork
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import (
    AsItIs,
    ChangedLayers,
    ChangedMaps,
    ClassProbabilities,
    LayerActivity,
    LayerChanges,
    LayerMaps,
    Maps,
    MostActive,
    MostChanged,
    Probabilities,
)
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.layer import Layer, Rect
from deepvis_toolbox.words.perturbation import UNPERTURBED, Perturbation
from deepvis_toolbox.words.unit import Unit

from .scenes import KEYS, LAYERS, drawn, part, scene_of, snapshot_for, state_at


def press(state: State, *keys: str) -> State:
    for key in keys:
        assert KEYS.press(state, key)
    return state


def test_a_key_edits_the_selected_unit_and_takes_that_back() -> None:
    state = press(state_at("conv1", 3), "x")
    assert state.view.edits == (Edit("conv1", [3], "zero"),)
    assert state.facts.message == "conv1:3 off; the same key again takes that back"
    press(state, "X")
    assert state.view.edits == (Edit("conv1", [3], "scale", 2),), "one edit a unit: the other kind takes its place"
    state.view.unit = 5
    press(state, "x")
    assert [str(edit) for edit in state.view.edits] == ["conv1:3 × 2", "conv1:5 off"]
    press(state, "x")
    assert [str(edit) for edit in state.view.edits] == ["conv1:3 × 2"]
    press(state, "C")
    assert not state.view.is_changed
    press(state, "C")
    assert "nothing is changed" in state.facts.message


def test_only_keys_that_edit_wait_until_they_are_let_go() -> None:
    assert {name for binding in KEYS.bindings for name in binding.names if KEYS.waits(name)} == {"x", "X", "V"}
    state = press(state_at("conv1", 3), "x")
    assert not KEYS.let_go(state, "down")
    assert not KEYS.let_go(state, "no key")
    assert state.view.edits
    assert KEYS.let_go(state, "x")
    assert not state.view.edits


def test_the_layer_list_shows_changes_in_the_place_of_activity_and_covers_no_name() -> None:
    state = state_at("conv1", 1)
    KEYS.press(state, "r")
    (asked,) = PANES["layers"].needs(state)
    assert isinstance(asked, LayerActivity)
    KEYS.press(state, "x")
    assert not list(PANES["layers"].needs(state))


def test_a_key_that_was_typed_takes_no_edit_back_when_it_is_let_go() -> None:
    state = state_at("conv1", 1)
    KEYS.press(state, "x")
    KEYS.press(state, "/")
    KEYS.press(state, "x")
    assert not KEYS.let_go(state, "x")
    assert state.view.entry is not None
    assert len(state.view.edits) == 1


def test_reset_takes_all_changes_back() -> None:
    state = press(state_at("conv1", 3), "x", "1", "A", "escape")
    assert not state.view.is_changed
    assert not state.view.show_changes


def test_pasting_takes_the_map_that_is_shown() -> None:
    state = press(state_at("conv1", 3), "V")
    assert state.facts.message == "conv1:3 cannot be pasted: its activations are not shown just now"
    values = np.arange(64, dtype=np.float32).reshape(8, 8)
    state.facts.chosen_maps = {Unit("conv1", 3): values}
    press(state, "V")
    (edit,) = state.view.edits
    assert (edit.what, edit.value.shape) == ("paste", (1, 8, 8))
    np.testing.assert_array_equal(edit.value[0], values)
    state.facts.chosen_maps = {Unit("conv1", 3): values + 1}
    assert not press(state, "V").view.edits, "another map is shown by now; the key lets the unit go all the same"
    state.facts.chosen_maps = {Unit("conv1", 3): np.full((8, 8), np.nan, np.float32)}
    assert "NaN" in press(state, "V").facts.message


def test_marked_units_are_edited_together_whatever_is_selected() -> None:
    state = press(state_at("conv1", 3), "space")
    assert state.facts.message == "1 unit marked: x, X and V change what is marked"
    state.view.unit = 5
    press(state, "space")
    state.view.unit = 7
    assert state.view.marked == (Unit("conv1", 3), Unit("conv1", 5))
    press(state, "x")
    assert [str(edit) for edit in state.view.edits] == ["conv1:3 off", "conv1:5 off"]
    assert state.facts.message == "the 2 marked units are changed; the same key again takes that back"
    press(state, "X")
    assert [str(edit) for edit in state.view.edits] == ["conv1:3 × 2", "conv1:5 × 2"]
    state.view.unit = 3
    press(state, "space", "x")  # unit 5 alone is marked
    assert [str(edit) for edit in state.view.edits] == ["conv1:3 × 2", "conv1:5 off"]
    press(state, "space", "x")  # one of both is off already: now both are
    assert {str(edit) for edit in state.view.edits} == {"conv1:3 off", "conv1:5 off"}
    assert not press(state, "x").view.edits
    assert state.facts.message == "the 2 marked units are as they were"
    state.facts.chosen_maps = {Unit("conv1", 3): np.ones((8, 8), np.float32)}
    assert not press(state, "V").view.edits, "one of the maps is not shown: none is pasted"
    assert state.facts.message == "conv1:5 cannot be pasted: its activations are not shown just now"
    assert "2 marked" in marked_text(state)
    assert not press(state, "escape").view.marked


def test_the_maps_that_are_pasted_are_those_of_the_marked_units_that_are_shown() -> None:
    state = state_at("conv1", 3, marked=(Unit("conv1", 5), Unit("conv2", 1), Unit("conv1", 99)))
    snapshot = snapshot_for(state)
    maps = snapshot.answers[LayerMaps("conv1")].maps
    found = PANES["selected"].facts(100, 100, scene_of(state, snapshot))["chosen_maps"]
    assert set(found) == {Unit("conv1", 3), Unit("conv1", 5)}  # type: ignore[call-overload]
    for unit, shown in found.items():  # type: ignore[attr-defined]
        np.testing.assert_array_equal(shown, maps[unit.channel])


def test_marks_of_units_that_a_network_lacks_are_forgotten() -> None:
    state = state_at("conv1", marked=(Unit("conv1", 15), Unit("conv1", 16), Unit("nowhere", 0)))
    drop_foreign_edits(state)
    assert state.view.marked == (Unit("conv1", 15),)


def test_tokens_beside_the_grid_are_not_left_out_silently() -> None:
    layers = (Layer("data", "input", (3, 8, 8)), Layer("t", "", (17, 6)), Layer("u", "", (16, 6)))
    for name, fits in (("t", False), ("u", True)):
        state = state_at(name, 2, layers=layers)
        state.facts.chosen_maps = {Unit(name, 2): np.ones((4, 4), np.float32)}
        assert bool(press(state, "V").view.edits) == fits
        assert fits or "tokens beside" in state.facts.message


def test_an_engine_without_edits_says_so_and_nothing_else_changes() -> None:
    state = state_at("conv1", 3, no_edits="real Caffe computes no edited passes")
    for key in ("x", "X", "V"):
        assert press(state, key).facts.message == "real Caffe computes no edited passes"
        assert not state.view.edits


@pytest.mark.parametrize(("key", "name"), [("1", "noise"), ("2", "blur"), ("3", "brightness"), ("4", "shift")])
def test_a_key_goes_through_the_steps_of_one_perturbation_and_round(key: str, name: str) -> None:
    state, steps = state_at(), PERTURBATION_STEPS[name]
    for step in (*steps[1:], steps[0]):
        press(state, key)
        assert state.view.perturbation == Perturbation(**{name: step})
        assert state.facts.message == (str(Perturbation(**{name: step})) if step else f"{name} is off")


def test_in_a_marked_region_the_picture_is_perturbed_there_and_painted_grey() -> None:
    state = press(state_at("conv1"), "7")
    assert state.facts.message == "drag a rectangle in the picture first: this paints it grey"
    state.view.region = Rect(2, 2, 8, 9)
    press(state, "2", "4")
    assert state.view.perturbation == Perturbation(blur=1, shift=0.02, region=Rect(2, 2, 8, 9))
    assert state.facts.message == "shift 2 %"
    state.view.region = None  # it is forgotten, and what is perturbed stays where it is
    assert press(state, "2").view.perturbation == Perturbation(blur=2, shift=0.02, region=Rect(2, 2, 8, 9))
    assert state.facts.message == "blur 2 px in the region"
    state.view.region = Rect(0, 0, 4, 4)
    assert press(state, "7").view.perturbation == Perturbation(0, 2, 0, 0.02, True, Rect(0, 0, 4, 4))
    assert view_from(json.loads(json.dumps(view_record(state.view)))).perturbation == state.view.perturbation
    press(state, "7", "2", "2")
    assert state.view.perturbation.blur == 0
    press(state, "4", "4", "4")
    assert state.view.perturbation == UNPERTURBED, "no region is left of what is off"


def test_what_changes_most_comes_first_while_changes_are_shown() -> None:
    state = press(state_at("conv1", 3), "x", "A")
    assert state.facts.message == "tiles show what changes; r puts what changes most first"
    assert order_question(press(state, "r")) == MostChanged("conv1", state.view.edits)
    assert order_text(state) == " · by change"
    assert MostChanged("conv1", state.view.edits) in make_request(state).questions
    assert order_question(press(state, "r")) is None, "there is no other order of changes"
    press(state, "r", "C")
    assert order_question(state) == MostActive("conv1", "maximum")
    state = press(state_at("conv1", 3), "r", "r", "x", "A")
    assert order_question(state) == MostChanged("conv1", state.view.edits)
    assert order_question(press(state, "r")) is None


def test_what_is_asked_while_something_is_changed() -> None:
    assert make_request(state_at()).measurements.keys() == {LayerMaps("conv1"), ClassProbabilities()}
    state = press(state_at("conv1", 3), "x", "2")
    request = make_request(state)
    assert (request.edits, request.perturbation) == (state.view.edits, Perturbation(blur=1))
    everything = tuple(layer.name for layer in LAYERS)
    assert set(request.measurements.values()) == {
        LayerMaps("conv1"), ClassProbabilities(), AsItIs(ClassProbabilities()),
        ChangedLayers(everything, state.view.edits),
    }  # fmt: skip
    press(state, "A")
    assert ChangedMaps("conv1", state.view.edits) in make_request(state).questions
    press(state, "C")
    assert make_request(state).measurements.keys() == {LayerMaps("conv1"), ClassProbabilities()}, "as it was"


def test_changes_are_shown_only_where_there_are_some() -> None:
    state = press(state_at(), "A")
    assert "nothing is changed yet" in state.facts.message
    assert not state.view.show_changes


def changed_snapshot(state: State) -> Snapshot:
    snapshot = snapshot_for(state)
    before = np.zeros(1000, np.float32)
    before[[7, 8]] = 0.75, 0.25
    now = np.zeros(1000, np.float32)
    now[[8, 9]] = 0.5, 0.5
    snapshot.answers[AsItIs(ClassProbabilities())] = Probabilities(before)  # type: ignore[index]
    snapshot.answers[ClassProbabilities()] = Probabilities(now)  # type: ignore[index]
    shares = {layer.name: share for layer, share in zip(LAYERS, (0.0, 0.001, 0.5, 7.0), strict=True)}
    question = ChangedLayers(tuple(shares), state.view.edits)
    snapshot.answers[question] = LayerChanges(shares)  # type: ignore[index]
    return snapshot


def test_the_class_that_was_first_stays_in_the_strip_with_a_mark_where_it_was() -> None:
    state = press(state_at("conv1", 3), "x")
    snapshot = changed_snapshot(state)
    now, before = (snapshot.answers[one] for one in (ClassProbabilities(), AsItIs(ClassProbabilities())))
    assert classes._shown(now, classes._finite(before), 3) == [7, 8, 9]
    pixels, boxes = drawn(state, snapshot)
    look = scene_of(state, snapshot).look
    strip = part(pixels, boxes["classes"])
    _, columns = np.nonzero((strip == np.array(look.warning)).all(axis=2))
    width = strip.shape[1]
    assert min(abs(columns - 0.75 * width)) < 4
    assert min(abs(columns - 0.25 * width)) < 4


def test_each_layers_bar_is_as_long_as_its_change_and_only_while_there_are_changes() -> None:
    state = press(state_at("conv1", 3), "x")
    pixels, boxes = drawn(state, changed_snapshot(state))
    look = scene_of(state, None).look
    body = part(pixels, boxes["layers"])[look.px(look.caption) :]
    lengths = []
    for number in range(4):
        row = body[look.px(5) + number * look.px(look.row) :][: look.px(look.row)]
        lengths.append((row[-1] == np.array(what_if_bar(look))).all(axis=1).sum())
    room = body.shape[1] - 2 * look.px(10)
    assert lengths[0] == 0
    assert 1 <= lengths[1] <= 0.02 * room
    assert lengths[2:] == [pytest.approx(room / 2, abs=2), pytest.approx(room, abs=2)]
    press(state, "C")
    pixels, boxes = drawn(state, snapshot_for(state))
    assert not (part(pixels, boxes["layers"]) == np.array(what_if_bar(look))).all(axis=2).any()


def what_if_bar(look):
    from deepvis_toolbox.live.panes.layer_bars import change_colour

    return change_colour(look)


def test_every_pane_that_answers_for_the_changed_network_bears_a_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    state = press(state_at("conv1", 3, backward="grad"), "x")
    edited = changed_snapshot(state)
    plain = snapshot_for(press(state_at("conv1", 3, backward="grad"), "1", "C"))
    written: list[str] = []
    monkeypatch.setattr(changed, "draw_badge", lambda _, __, text, **___: written.append(text))
    for snapshot, tags in ((edited, ["edited"] * 3), (plain, [])):
        written.clear()
        drawn(state, snapshot)
        assert written == tags, "tiles, selected unit, backward"
    assert not {"what if"} & drawn(press(state, "C"), plain)[1].keys()


def test_panes_full_of_text_say_it_in_their_caption() -> None:
    state = press(state_at("conv1", 3), "x")
    assert changed.changed_title("statistics", scene_of(state, changed_snapshot(state))) == "statistics · changed"
    press(state, "C")
    assert changed.changed_title("statistics", scene_of(state, snapshot_for(state))) == "statistics"
    assert {pane.name for pane in PANES.values() if pane.says_what_is_changed} == {
        "classes", "what if", "why", "statistics", "occlusion"
    }  # fmt: skip


def test_a_click_on_an_edit_goes_to_its_unit() -> None:
    state = press(state_at("conv1", 3), "x")
    state.view.layer_index, state.view.unit = 3, 0
    scene = scene_of(state, None)
    pane = what_if.WhatIfPane()
    y = scene.look.px(scene.look.caption) + scene.look.px(12)
    found = pane.hit(150, 200, scene, 20, y)
    assert found.what == Unit("conv1", 3)
    assert found.click
    found.click(state)
    assert state.address == "conv1:3"
    assert pane.hit(150, 200, scene, 20, 140).click is None


def test_many_edits_are_counted() -> None:
    state = state_at("block2.expand")
    for unit in range(9):
        state.view.unit = unit
        press(state, "x")
    texts = [text for text, _ in what_if._lines(state)]
    assert texts == [f"block2.expand:{unit} off" for unit in (8, 7, 6, 5)] + ["and 5 more"]


@pytest.fixture(scope="module")
def small(load_small: Callable[[], object]):
    return load_small()


def frame(seed: int = 0, number: int = 0) -> SourceFrame:
    image = np.random.default_rng(seed).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    return SourceFrame(image, FrameInfo("noise", number))


def live_state(network: object) -> State:
    state = State()
    LoadedNetwork.of(network, "conv2:3").introduce(state)  # type: ignore[arg-type]
    return state


def test_the_live_pass_answers_for_the_edited_network_and_leaves_no_trace(small) -> None:
    state, processor = live_state(small), FrameProcessor(small)
    weights = small.weights_hash
    before = processor.process(frame(), make_request(state))
    press(state, "x")
    now = processor.process(frame(), make_request(state))
    x = small.preprocess(frame().image)
    wanted = small.forward(x, ["conv2", "prob"], edits=[Edit("conv2", [3], "zero")])
    np.testing.assert_allclose(now.answers[LayerMaps("conv2")].maps, wanted["conv2"][0], rtol=1e-4, atol=1e-5)
    assert not now.answers[LayerMaps("conv2")].maps[3].any()
    np.testing.assert_allclose(now.answers[ClassProbabilities()].probabilities, wanted["prob"][0], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(
        now.answers[AsItIs(ClassProbabilities())].probabilities, before.answers[ClassProbabilities()].probabilities
    )
    press(state, "x")
    after = processor.process(frame(), make_request(state))
    np.testing.assert_array_equal(after.answers[LayerMaps("conv2")].maps, before.answers[LayerMaps("conv2")].maps)
    assert small.weights_hash == weights


def test_a_map_pasted_from_a_frozen_picture_stays_while_others_come(small) -> None:
    state, processor = live_state(small), FrameProcessor(small)
    first = processor.process(frame(0), make_request(state))
    maps: Maps = first.answers[LayerMaps("conv2")]
    state.facts.chosen_maps = {Unit("conv2", 3): maps.maps[3]}
    press(state, "V")
    second = processor.process(frame(1), make_request(state)).answers[LayerMaps("conv2")].maps
    np.testing.assert_array_equal(second[3], maps.maps[3])
    assert (second[4] != maps.maps[4]).any()


def test_the_same_frame_number_is_perturbed_the_same_in_another_run(small) -> None:
    state = press(live_state(small), "1")
    runs = [FrameProcessor(small).process(frame(number=4), make_request(state)) for _ in range(2)]
    np.testing.assert_array_equal(runs[0].input_image, runs[1].input_image)
    other = FrameProcessor(small).process(frame(number=5), make_request(state))
    assert (other.input_image != runs[0].input_image).any()


def test_a_screenshot_says_what_was_changed(tmp_path: Path) -> None:
    state = press(state_at("conv1", 3), "X", "2")
    save_screenshot(tmp_path / "shot.png", np.zeros((9, 9, 3), np.uint8), state, None, {})
    with Image.open(tmp_path / "shot.png") as picture:
        made_by = json.loads(picture.text[METADATA_KEY])  # type: ignore[attr-defined]
    assert made_by["view"]["edits"] == [{"layer": "conv1", "units": [3], "what": "scale", "value": 2.0}]
    assert made_by["view"]["perturbation"] == asdict(Perturbation(blur=1))


def test_a_restored_view_has_the_edits_with_their_values() -> None:
    state = press(state_at("conv1", 3), "X", "2")
    state.facts.chosen_maps = {Unit("conv1", 5): np.random.default_rng(0).random((8, 8), np.float32)}
    state.view.unit = 5
    press(state, "V")
    found = view_from(json.loads(json.dumps(view_record(state.view))))
    assert (found.edits, found.perturbation) == (state.view.edits, state.view.perturbation)


def test_restored_edits_that_the_network_has_not_are_left_out_and_told(small) -> None:
    edits = (Edit("conv2", [3], "zero"), Edit("conv9", [3], "zero"), Edit("fc", [99], "zero"))
    state = State.started_with(View(edits=edits))
    LoadedNetwork.of(small).introduce(state)
    assert state.view.edits == edits[:1]
    assert state.facts.message == "2 edits were left out: they are of units that this network lacks"
    press(state, "escape")
    assert not state.view.edits


def test_the_inputs_channels_can_be_edited_too(small) -> None:
    state, processor = live_state(small), FrameProcessor(small)
    go_to(state, Unit(small.input_name, 1))
    press(state, "x")
    maps = processor.process(frame(), make_request(state)).answers[LayerMaps(small.input_name)].maps
    assert not maps[1].any()
    assert maps[0].any()


@pytest.mark.parametrize("edits", ["x", [3], [{}], [{"layer": "a", "units": [1], "what": "no", "value": None}]])
def test_damaged_edits_of_a_screenshot_are_refused(edits: object) -> None:
    with pytest.raises(ToolboxError, match=r"view\.edits"):
        view_from({"edits": edits})
