"""The state's actions, without a window, a network or a picture."""

from __future__ import annotations

import subprocess
import sys

import pytest

from deepvis_toolbox.live.actions import go_to, set_layers
from deepvis_toolbox.live.keys import press
from deepvis_toolbox.live.state import LayerEntry, State, make_request, started_with

LAYERS = (
    LayerEntry("data", (3, 32, 32), "input"),
    LayerEntry("conv1", (20, 16, 16), "conv"),
    LayerEntry("conv2", (7, 8, 8), "conv"),
    LayerEntry("tokens", (50, 12), "norm"),
    LayerEntry("prob", (10,), "softmax"),
)


@pytest.fixture
def state() -> State:
    state = State(tile_columns=5)
    set_layers(state, LAYERS)
    return state


def play(state: State, keys: str) -> State:
    for key in keys.split():
        assert press(state, key.replace("_", " "))
    return state


def test_start_is_in_the_layer_list_at_the_first_layer_after_the_input(state: State) -> None:
    assert (state.cursor_area, state.address, state.unit_is_selected) == ("layers", "conv1:0", False)


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
        ("down u", "tiles", "data:0"),
        ("O", "layers", "prob:0"),
        ("right right down shift+down L", "tiles", "tokens:11"),
    ],
)
def test_moves(state: State, keys: str, area: str, address: str) -> None:
    play(state, keys)
    assert (state.cursor_area, state.address) == (area, address)


def test_last_row_that_is_shorter_stops_at_its_last_unit(state: State) -> None:
    state.tile_columns = 6  # 20 units: the last row has two
    play(state, "down right right right right down down down")
    assert state.unit == 19


def test_backward_cycle_is_off_grad_norm_deconv_guided_off(state: State) -> None:
    seen = [(play(state, "b").backward, state.backward_view) for _ in range(5)]
    assert seen == [("grad", "raw"), ("grad", "norm"), ("deconv", "raw"), ("guided", "raw"), ("off", "raw")]


def test_expert_keys_reach_every_mode_and_view_and_b_then_turns_off(state: State) -> None:
    modes = [play(state, "n").backward for _ in range(4)]
    views = [play(state, "m").backward_view for _ in range(4)]
    assert modes == ["grad", "deconv", "guided", "off"]
    assert views == ["gray", "norm", "norm blurred", "raw"]
    play(state, "n m m m b")
    assert state.backward == "off"


def test_frozen_origin_stays_while_the_selection_moves(state: State) -> None:
    play(state, "down right d o right b")
    request = make_request(state)
    assert (request.layer, request.unit, request.origin_layer, request.origin_unit) == ("conv2", 2, "conv1", 1)
    play(state, "d")
    assert make_request(state).origin_layer == "conv2"


def test_zoom_and_boosts_come_round(state: State) -> None:
    assert [play(state, "z").zoom for _ in range(3)] == ["unit", "backward", "tiles"]
    assert [play(state, "t").gamma for _ in range(4)] == [0.7, 0.5, 0.3, 1.0]
    assert [play(state, "T").channel_boost for _ in range(5)] == [0.3, 0.5, 0.8, 1.0, 0.0]


def test_gradients_without_a_backward_pass_say_what_to_do(state: State) -> None:
    assert "press b" in play(state, "a").message


def test_one_source_cannot_be_switched_and_says_so(state: State) -> None:
    assert "--input twice" in play(state, "c").message
    state.sources = 2
    assert play(state, "c").source_index == 1
    assert play(state, "c").source_index == 0


def test_reset_returns_to_the_start_with_what_the_settings_want(state: State) -> None:
    state = started_with(backward="deconv", show_labels=False)
    set_layers(state, LAYERS)
    play(state, "down right b b z t T 8 d a f 5 h escape")
    fresh = started_with(backward="deconv", show_labels=False)
    set_layers(fresh, LAYERS)
    assert state == fresh


def test_every_key_works_while_the_network_is_loading() -> None:
    from deepvis_toolbox.live.keys import KEYS

    for binding in KEYS:
        for name in binding.names:
            state = State()
            press(state, name)
            assert make_request(state).layer == ""


def test_goto_starts_at_the_unit(state: State) -> None:
    go_to(state, "conv2", 5)
    assert (state.address, state.cursor_area) == ("conv2:5", "tiles")


def test_state_and_keys_import_neither_opencv_nor_torch() -> None:
    code = "import sys, deepvis_toolbox.live.keys; sys.exit('cv2' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
