"""The state's actions, without a window, a network or a picture."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from dataclasses import replace

import pytest

from deepvis_toolbox.live.actions import go_to, set_layers
from deepvis_toolbox.live.layout import key_table, make_request
from deepvis_toolbox.live.state import State, View
from deepvis_toolbox.measure import BackwardImage, ClassProbabilities, InputContributions, LayerGradients, LayerMaps
from deepvis_toolbox.words.layer import Layer
from deepvis_toolbox.words.unit import Unit

LAYERS = (
    Layer("data", "input", (3, 32, 32)),
    Layer("conv1", "conv", (20, 16, 16)),
    Layer("conv2", "conv", (7, 8, 8)),
    Layer("tokens", "norm", (50, 12)),
    Layer("prob", "softmax", (10,)),
)
KEYS = key_table()


@pytest.fixture
def state() -> State:
    state = State()
    state.facts.tile_columns = 5
    set_layers(state, LAYERS)
    return state


def play(state: State, keys: str) -> State:
    for key in keys.split():
        assert KEYS.press(state, key.replace("_", " "))
    return state


def test_start_is_in_the_layer_list_at_the_first_layer_after_the_input(state: State) -> None:
    assert (state.view.cursor_area, state.address, state.view.unit_is_selected) == ("layers", "conv1:0", False)


@pytest.mark.parametrize(
    ("keys", "area", "address"),
    [
        ("right", "layers", "conv2:0"),
        ("right right right right right", "layers", "prob:0"),
        ("left left left", "layers", "data:0"),
        ("shift+right", "layers", "prob:0"),
        ("down", "tiles", "conv1:0"),
        ("down right right", "tiles", "conv1:2"),
        ("down left", "tiles", "conv1:0"),
        ("down down right", "tiles", "conv1:6"),
        ("down shift+down", "tiles", "conv1:15"),
        ("down shift+down shift+down shift+down", "tiles", "conv1:15"),
        ("down up", "layers", "conv1:0"),
        ("down right right up", "layers", "conv1:2"),
        ("down shift+down shift+up", "tiles", "conv1:0"),
        ("down shift+down L right o", "tiles", "conv2:6"),
        ("down shift+down L right o u", "tiles", "conv1:19"),
        ("down shift+down L right o left u", "tiles", "conv1:5"),
        ("down u", "tiles", "data:0"),
        ("O", "layers", "prob:0"),
        ("right right down shift+down L", "tiles", "tokens:11"),
    ],
)
def test_moves(state: State, keys: str, area: str, address: str) -> None:
    play(state, keys)
    assert (state.view.cursor_area, state.address) == (area, address)


def test_last_row_that_is_shorter_stops_at_its_last_unit(state: State) -> None:
    state.facts.tile_columns = 6  # 20 units: the last row has two
    play(state, "down right right right right down down down")
    assert state.view.unit == 19


def test_backward_cycle_is_off_contributions_raw_norm_deconv_guided_off(state: State) -> None:
    seen = [(play(state, "b").view.backward, state.view.backward_view) for _ in range(6)]
    assert seen[:3] == [("grad", "contributions"), ("grad", "raw"), ("grad", "norm")]
    assert seen[3:] == [("deconv", "raw"), ("guided", "raw"), ("off", "contributions")]


def test_expert_keys_reach_every_mode_and_view_and_b_then_turns_off(state: State) -> None:
    modes = [play(state, "n").view.backward for _ in range(4)]
    views = [play(state, "m").view.backward_view for _ in range(6)]
    assert modes == ["grad", "deconv", "guided", "off"]
    assert views == ["averaged", "raw", "gray", "norm", "norm blurred", "contributions"]
    play(state, "n m b")
    assert state.view.backward == "off"


def test_frozen_origin_stays_while_the_selection_moves(state: State) -> None:
    play(state, "down right d o right b")
    assert set(make_request(state).questions) == {LayerMaps("conv2"), InputContributions("conv1", 1, "grad")}
    play(state, "b")
    assert BackwardImage("conv1", 1, "grad") in make_request(state).questions
    play(state, "a")
    assert LayerGradients("conv2", Unit("conv1", 1), "grad") in make_request(state).questions
    play(state, "d")
    assert BackwardImage("conv2", 2, "grad") in make_request(state).questions


def test_the_worker_is_asked_for_what_the_shown_panes_need_and_no_more(state: State) -> None:
    assert make_request(State()).questions == frozenset()
    assert make_request(state).questions == {LayerMaps("conv1")}
    state.facts.label_layers = ("prob",)
    assert make_request(state).questions == {LayerMaps("conv1"), ClassProbabilities()}
    state.view.show_gradients = True  # gradients, but the backward pass is off
    assert make_request(state).questions == {ClassProbabilities()}


def test_zoom_and_boosts_come_round(state: State) -> None:
    assert [play(state, "z").view.zoom for _ in range(2)] == ["unit", "tiles"]  # there is no backward result
    play(state, "b")
    assert [play(state, "z").view.zoom for _ in range(3)] == ["unit", "backward", "tiles"]
    assert [play(state, "t").view.gamma for _ in range(4)] == [0.7, 0.5, 0.3, 1.0]
    assert [play(state, "T").view.channel_boost for _ in range(5)] == [0.3, 0.5, 0.8, 1.0, 0.0]


def test_gradients_turn_the_backward_pass_on(state: State) -> None:
    assert play(state, "a").view.backward == "grad"
    assert "backward pass is on" in state.facts.message
    play(state, "a n")
    assert play(state, "a").view.backward == "deconv"


def test_one_source_cannot_be_switched_and_says_so(state: State) -> None:
    assert "--input twice" in play(state, "c").facts.message
    state.facts.sources = 2
    assert play(state, "c").orders.switch_source == 1


def test_reset_returns_to_the_start_with_what_the_settings_want(state: State) -> None:
    state = State.started_with(View(backward="deconv", show_labels=False))
    set_layers(state, LAYERS)
    fresh = deepcopy(state)
    play(state, "down right b b z t T 8 d a f 5 h")
    assert state.view != fresh.view
    play(state, "escape")
    place = {name: getattr(state.view, name) for name in ("cursor_area", "layer_index", "unit", "wanted_unit")}
    assert place == {"cursor_area": "tiles", "layer_index": 1, "unit": 1, "wanted_unit": 1}
    assert state.view == replace(fresh.view, **place)
    play(state, "down")
    assert state.start_view == fresh.start_view, "what is changed later is not what a reset returns to"


def test_every_key_works_while_the_network_is_loading() -> None:
    for binding in KEYS.bindings:
        for name in binding.names:
            state = State()
            KEYS.press(state, name)
            assert make_request(state).questions == frozenset()


def test_goto_starts_at_the_unit(state: State) -> None:
    go_to(state, Unit("conv2", 5))
    assert (state.address, state.view.cursor_area) == ("conv2:5", "tiles")


def test_state_and_actions_import_neither_opencv_nor_torch() -> None:
    code = "import sys, deepvis_toolbox.live.actions; sys.exit('cv2' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
