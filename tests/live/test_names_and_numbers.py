"""Long names and numbers of any size in the window: what tells them apart is always legible."""

from __future__ import annotations

import numpy as np
import pytest

from deepvis_toolbox.drawing.text import text_width
from deepvis_toolbox.live.actions_what_if import toggle_off
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes import layer_list, selected, status_line, tiles, unit_images
from deepvis_toolbox.live.panes.naming import WIDEST_NUMBER, given_name, number_text, unit_name
from deepvis_toolbox.words.layer import Layer

from .scenes import scene_of, snapshot_for, state_at

PARTS = ("norm1", "relu1", "conv1", "norm2", "relu2", "conv2")
DENSE = tuple(
    Layer(f"features.denseblock3.denselayer{number}.{part}", "conv", (128, 14, 14))
    for number in range(1, 5)
    for part in PARTS
)


def test_names_that_differ_at_their_ends_look_different_in_the_list() -> None:
    state, look = state_at(DENSE[0].name, layers=DENSE), Look()
    pixels = np.zeros((930, 224, 3), np.uint8)
    layer_list.LayerListPane().draw(pixels, scene_of(state, None, look))
    tops = [next(y for y in range(930) if layer_list.layer_at(930, state, look, y) == row) for row in range(1, 24)]
    rows = [pixels[top : top + look.px(look.row)].tobytes() for top in tops]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("width", [640, 1280, 1500])
def test_units_and_layers_of_long_names_look_different_in_the_status_line(width: int) -> None:
    seen = []
    for layer, unit in (("conv1", 1), ("conv1", 2), ("conv2", 1)):
        state = state_at(f"features.denseblock3.denselayer4.{layer}", unit, layers=DENSE, show_labels=False)
        state.facts.labels, state.facts.label_layers = ("the same",) * 128, tuple(entry.name for entry in DENSE)
        pixels = np.zeros((48, width, 3), np.uint8)
        status_line.StatusPane().draw(pixels, scene_of(state, None))
        (_, left, room) = next(place for place in status_line._places(width, Look()) if place[0].label == "unit")
        seen.append(pixels[:, left : left + room].tobytes())
    assert len(set(seen)) == 3


def test_units_of_long_names_look_different_in_the_captions() -> None:
    def captions(unit: int) -> tuple[bytes, bytes]:
        state = state_at(DENSE[-1].name, unit, layers=DENSE, show_unit_images=True)
        small, tall = np.zeros((240, 200, 3), np.uint8), np.zeros((700, 200, 3), np.uint8)
        selected.SelectedPane().draw(small, scene_of(state, None))
        unit_images.UnitImagesPane().draw(tall, scene_of(state, None))
        return small[:26].tobytes(), tall[:26].tobytes()

    assert all(first != second for first, second in zip(captions(1), captions(2), strict=True))


@pytest.mark.parametrize(
    ("value", "text"), [(-129.4, "-129"), (12345.0, "1.23e4"), (3e38, "3e38"), (-2.5e-7, "-2.5e-7"), (0.1239, "0.124")]
)
def test_numbers_are_written_short(value: float, text: str) -> None:
    assert number_text(value) == text


def test_no_number_is_wider_than_its_column() -> None:
    font = Look().small
    for exponent in range(-45, 39):
        for digits in (-1.11, -8.88, -9.99, -6.66):
            assert text_width(number_text(digits * 10.0**exponent), font) <= text_width(WIDEST_NUMBER, font)


@pytest.mark.parametrize("size", [0.5, 129.0, 12345.0, 3e38])
def test_the_colour_scale_is_not_written_upon(size: float) -> None:
    state, look = state_at("conv1"), Look()
    maps = np.zeros((16, 8, 8), np.float32)
    maps[0, 0, :2] = -size, size

    def scale(channel_boost_index: int) -> np.ndarray:
        """The part of the caption with colours in it; with a boost for each channel no numbers are written."""
        state.view.channel_boost_index = channel_boost_index
        pixels = np.zeros((700, 700, 3), np.uint8)
        tiles.TilesPane().draw(pixels, scene_of(state, snapshot_for(state, maps), look))
        caption = pixels[:26].astype(int)
        blue = caption[..., 2] - caption[..., 0] > 60  # the negative end
        left = int(np.nonzero(blue.any(0))[0][0])
        return caption[:, left : left + look.px(90)]

    np.testing.assert_array_equal(scale(0), scale(4))


def test_units_of_an_added_layer_have_their_names_wherever_classes_have_them() -> None:
    added = Layer("conv1/own", "conv", (3, 8, 8), added_to="conv1", unit_names=("striped", "dotted", "sky"))
    state = state_at(
        "conv1/own", 1, layers=(Layer("data", "input", (3, 8, 8)), Layer("conv1", "conv", (5, 8, 8)), added)
    )
    assert unit_name(state, "conv1/own", 1) == "dotted"
    assert unit_name(state, "conv1", 1) == "channel 1"
    assert given_name(state, "conv1", 1) == ""
    toggle_off(state)
    assert state.view.edits == ()
    assert state.facts.message == "nothing of the network reads the added layer conv1/own: change conv1"
