"""A screenshot's metadata brings the view back; a file that is none, or damaged, is told in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from deepvis_toolbox import ToolboxError, Unit
from deepvis_toolbox.live import actions, actions_backward, actions_order, actions_where
from deepvis_toolbox.live.pictures.restoring import restored
from deepvis_toolbox.live.pictures.screenshot import METADATA_KEY, save_screenshot
from deepvis_toolbox.live.state import State, View
from deepvis_toolbox.words.layer import Layer, Rect

PIXELS = np.zeros((8, 8, 3), np.uint8)


def chosen() -> State:
    state = State()
    actions.set_layers(state, (Layer("data", "input", (3, 8, 8)), Layer("conv", "conv", (4, 8, 8))))
    actions.select_unit(state, 2)
    actions_backward.cycle_backward_mode(state)
    actions_backward.toggle_frozen_origin(state)
    actions_backward.toggle_gradients(state)
    actions_order.toggle_only_top(state)
    actions_where.cycle_overlay(state)
    state.view.region, state.view.region_everywhere = Rect(1, 2, 5, 6), True
    actions.cycle_gamma(state)
    actions.cycle_zoom(state)
    return state


def test_the_view_comes_back_as_it_was(tmp_path: Path) -> None:
    state, path = chosen(), tmp_path / "shot.png"
    save_screenshot(path, PIXELS, state, None, {})
    view, unit = restored(path)
    assert unit == "conv:2"
    assert view.frozen_origin == Unit("conv", 2)
    again = State.started_with(view)
    actions.set_layers(again, state.facts.layers)
    actions.go_to(again, Unit("conv", 2))
    assert again.view == state.view


def with_metadata(path: Path, text: str | None) -> Path:
    info = PngInfo()
    if text is not None:
        info.add_itxt(METADATA_KEY, text)
    Image.fromarray(PIXELS).save(path, pnginfo=info)
    return path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "no screenshot of this program"),
        ("{", "damaged"),
        ("[1]", "damaged"),
        ("[" * 100_000, "damaged"),
        ("{}", "kept no view"),
        (json.dumps({"view": 3, "unit": "conv:2"}), "kept no view"),
        (json.dumps({"view": {}, "unit": 7}), "kept no view"),
        (json.dumps({"view": {"gamma_index": "much"}}), "gamma_index"),
        (json.dumps({"view": {"zoom": "moon"}}), "zoom"),
        (json.dumps({"view": {"frozen_origin": {"layer": 3}}}), "frozen_origin"),
        (json.dumps({"view": {"gamma_index": 99}}), "gamma_index"),
        (json.dumps({"view": {"backward": "sideways"}}), "sideways"),
        (json.dumps({"view": {"backward_view": "x-ray"}}), "x-ray"),
        (json.dumps({"view": {"order": "beauty"}}), "order"),
        (json.dumps({"view": {"overlay": 3}}), "overlay"),
        (json.dumps({"view": {"top": 0}}), "top"),
        (json.dumps({"view": {"region": [1, 2]}}), "region"),
        ('{"view": {"gamma_index": ' + "9" * 5000 + "}}", "damaged"),
    ],
)
def test_damaged_metadata_is_told_in_a_sentence(tmp_path: Path, text: str | None, told: str) -> None:
    with pytest.raises(ToolboxError, match=told):
        restored(with_metadata(tmp_path / "shot.png", text))


def test_what_is_no_png_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "no.png").write_bytes(b"no picture")
    for path, told in ((tmp_path / "no.png", "no PNG"), (tmp_path, "folder"), (tmp_path / "none.png", "No such file")):
        with pytest.raises(ToolboxError, match=told):
            restored(path)


def test_what_a_view_does_not_know_is_left_as_at_the_start(tmp_path: Path) -> None:
    view, unit = restored(with_metadata(tmp_path / "shot.png", json.dumps({"view": {"of a later version": 1}})))
    assert (view, unit) == (View(), "")
