"""One function for each action of a key or a click: it changes the state, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import get_args

from deepvis_toolbox.live.state import CHANNEL_BOOSTS, GAMMAS, LayerEntry, Pattern, State, Zoom
from deepvis_toolbox.words.backward import (
    BACKWARD_MODES,
    BACKWARD_VIEWS,
    OFF,
    BackwardView,
    ChosenBackwardMode,
    chosen_backward_modes,
)
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind

ZOOMS: tuple[Zoom, ...] = get_args(Zoom)

FAST_STEP = 3
"""How far a step goes with Shift."""


_SURVIVES_RESET = {
    "layers",
    "labels",
    "label_layers",
    "has_unit_images",
    "unit_pictures",
    "pattern_tiles",
    "growing",
    "tile_size",
    "tile_columns",
    "sources",
    "source_index",
    "source_note",
    "window_rate",
    "window_timings",
    "start_values",
    "error",
    "message",
    "loading",
    "quit",
}


def set_layers(state: State, layers: tuple[LayerEntry, ...], first: str = "") -> None:
    """The network has been loaded; `first` is the layer shown at the start (else the first after the input)."""
    state.layers = layers
    state.loading = ""
    names = [layer.name for layer in layers]
    _show_layer(state, names.index(first) if first in names else min(1, len(layers) - 1))


# -- moving the selection ------------------------------------------------------------------------------------------


def move_left(state: State, steps: int = 1) -> None:
    if state.cursor_area == "layers":
        previous_layer(state, steps)
    else:
        select_unit(state, state.unit - steps)


def move_right(state: State, steps: int = 1) -> None:
    if state.cursor_area == "layers":
        next_layer(state, steps)
    else:
        select_unit(state, state.unit + steps)


def move_down(state: State, steps: int = 1) -> None:
    """From the layer list into the tiles; there, down by rows (a last row that is shorter stops at its last unit)."""
    if not state.layer:
        return
    if state.cursor_area == "layers":
        state.cursor_area = "tiles"
        return
    columns = state.tile_columns
    rows_below = (state.layer.units - 1) // columns - state.unit // columns
    if rows_below > 0:
        select_unit(state, state.unit + min(steps, rows_below) * columns)


def move_up(state: State, steps: int = 1) -> None:
    """Up by rows; from the top row back to the layer list."""
    row = state.unit // state.tile_columns
    if state.cursor_area == "tiles" and row > 0:
        select_unit(state, state.unit - min(steps, row) * state.tile_columns)
    else:
        state.cursor_area = "layers"


def previous_layer(state: State, steps: int = 1) -> None:
    _show_layer(state, state.layer_index - steps)


def next_layer(state: State, steps: int = 1) -> None:
    _show_layer(state, state.layer_index + steps)


def select_layer(state: State, index: int) -> None:
    """A click on a layer's name."""
    state.cursor_area = "layers"
    _show_layer(state, index)


def select_unit(state: State, unit: int) -> None:
    """A click on a tile, or a step to it; kept within the layer."""
    if state.layer:
        state.cursor_area = "tiles"
        state.unit = max(0, min(unit, state.layer.units - 1))


def scroll_layers(state: State, first: int) -> None:
    """The wheel over the layer list: `first` is the first name shown."""
    state.layer_scroll = max(0, min(first, len(state.layers) - 1))


def go_to(state: State, layer: str, unit: int) -> None:
    """Starts at a unit, as `--goto layer:unit` asks."""
    names = [entry.name for entry in state.layers]
    if layer in names:
        _show_layer(state, names.index(layer))
        select_unit(state, unit)


def _show_layer(state: State, index: int) -> None:
    state.layer_index = max(0, min(index, len(state.layers) - 1))
    state.layer_scroll = None
    if state.layer:
        state.unit = min(state.unit, state.layer.units - 1)


# -- the backward pass ---------------------------------------------------------------------------------------------


def simple_backward() -> tuple[tuple[ChosenBackwardMode, BackwardView], ...]:
    """Return what one key cycles through: off, grad as its norm too, and every mode raw.

    Two further keys reach every combination.
    """
    modes = [(mode, view) for mode in BACKWARD_MODES for view in (("raw", "norm") if mode == "grad" else ("raw",))]
    return ((OFF, "raw"), *modes)


def cycle_backward(state: State) -> None:
    """Off, grad raw, grad norm, deconv raw, guided raw, …, off; from any other combination, off."""
    combinations, now = simple_backward(), (state.backward, state.backward_view)
    place = combinations.index(now) if now in combinations else -1
    state.backward, state.backward_view = combinations[(place + 1) % len(combinations)]


def cycle_backward_mode(state: State) -> None:
    state.backward = _after(state.backward, chosen_backward_modes())


def cycle_backward_view(state: State) -> None:
    state.backward_view = _after(state.backward_view, tuple(BACKWARD_VIEWS))


def _after(now: str, names: Sequence[str]) -> str:
    """The name after `now`, in a circle."""
    return names[(names.index(now) + 1) % len(names)]


def toggle_frozen_origin(state: State) -> None:
    """Freezes the origin at the selected unit, or lets it follow the selection again."""
    state.frozen_origin = None if state.frozen_origin else state.origin


def toggle_gradients(state: State) -> None:
    state.show_gradients = not state.show_gradients
    if state.show_gradients and state.backward == "off":
        state.message = "gradients need a backward pass: press b"


# -- how it is shown -----------------------------------------------------------------------------------------------


def cycle_zoom(state: State) -> None:
    """All tiles, the selected unit (in pattern mode its pictures), the backward result."""
    zoom_to(state, ZOOMS[(ZOOMS.index(state.zoom) + 1) % len(ZOOMS)])


def zoom_to(state: State, zoom: Zoom, pictures: UnitImageKind | None = None) -> None:
    """`pictures`: with the zoom "unit", these pictures of the selected unit are enlarged."""
    state.zoom, state.zoomed_pictures = zoom, pictures


def cycle_gamma(state: State) -> None:
    state.gamma_index = (state.gamma_index + 1) % len(GAMMAS)


def cycle_channel_boost(state: State) -> None:
    state.channel_boost_index = (state.channel_boost_index + 1) % len(CHANNEL_BOOSTS)


def toggle_labels(state: State) -> None:
    state.show_labels = not state.show_labels


def toggle_help(state: State) -> None:
    state.show_help = not state.show_help


def toggle_timings(state: State) -> None:
    state.show_timings = not state.show_timings


def toggle_unit_images(state: State) -> None:
    state.show_unit_images = not state.show_unit_images


def toggle_pattern_preferred(state: State) -> None:
    """Pattern mode: every tile shows its unit's preferred image."""
    _toggle_pattern(state, "regularized_opt")


def toggle_pattern_top(state: State) -> None:
    """Pattern mode with every unit's top image."""
    _toggle_pattern(state, "max_im")


def _toggle_pattern(state: State, pattern: Pattern) -> None:
    state.pattern = "off" if state.pattern == pattern else pattern
    state.zoomed_pictures = None


def want_pictures(state: State) -> None:
    """Preferred images of the selected unit are made on demand, in the background; pressed again, no longer."""
    if not state.has_unit_images:
        state.message = "this model names no folder for unit images: give --set unit_images.folder=FOLDER"
    else:
        state.growing ^= {state.address}
        state.message = "making preferred images" if state.address in state.growing else "stopped making pictures"
        state.message += f" of {state.address}"


# -- where frames come from ----------------------------------------------------------------------------------------


def toggle_camera_frozen(state: State) -> None:
    state.camera_frozen = not state.camera_frozen


def switch_source(state: State) -> None:
    if state.sources < 2:
        state.message = "there is one source only; give --input twice to switch between two"
    else:
        state.source_index = (state.source_index + 1) % state.sources


def next_picture(state: State) -> None:
    state.picture_steps += 1


def previous_picture(state: State) -> None:
    state.picture_steps -= 1


def toggle_stretch(state: State) -> None:
    state.stretch = not state.stretch


# -- the window ----------------------------------------------------------------------------------------------------


def want_screenshot(state: State) -> None:
    state.screenshot_wanted = True


def reset(state: State) -> None:
    """Back to how the window started, with the same network and source."""
    fresh = State()
    for name in {each.name for each in fields(State)} - _SURVIVES_RESET:
        setattr(state, name, state.start_values.get(name, getattr(fresh, name)))
    _show_layer(state, min(1, len(state.layers) - 1))


def quit_toolbox(state: State) -> None:
    state.quit = True
