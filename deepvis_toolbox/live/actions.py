"""One function for each action of a key or a click: it changes the state, and nothing else."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import get_args

from deepvis_toolbox.live.state import CHANNEL_BOOSTS, GAMMAS, Pattern, State, Zoom
from deepvis_toolbox.words.layer import Layer
from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind

ZOOMS: tuple[Zoom, ...] = get_args(Zoom)

FAST_STEP = 3
"""How far a step goes with Shift."""


def set_layers(state: State, layers: tuple[Layer, ...]) -> None:
    """Show the layers of a network that has been loaded, from the first after the input on."""
    state.facts.layers = layers
    state.facts.loading = ""
    _show_layer(state, 1)
    state.start_view.layer_index = state.view.layer_index


# -- moving the selection ------------------------------------------------------------------------------------------


def move_left(state: State, steps: int = 1) -> None:
    """Move to the unit on the left; in the layer list, to the previous layer."""
    if state.view.cursor_area == "layers":
        previous_layer(state, steps)
    else:
        select_tile(state, state.tile_place - steps)


def move_right(state: State, steps: int = 1) -> None:
    """Move to the unit on the right; in the layer list, to the next layer."""
    if state.view.cursor_area == "layers":
        next_layer(state, steps)
    else:
        select_tile(state, state.tile_place + steps)


def move_down(state: State, steps: int = 1) -> None:
    """Move from the layer list into the tiles; there, down by rows (a last row that is shorter stops at its last
    unit)."""
    if not state.layer:
        return
    if state.view.cursor_area == "layers":
        state.view.cursor_area = "tiles"
        return
    columns, place = state.facts.tile_columns, max(state.tile_place, 0)
    rows_below = (len(state.tile_units) - 1) // columns - place // columns
    if rows_below > 0:
        select_tile(state, place + min(steps, rows_below) * columns)


def move_up(state: State, steps: int = 1) -> None:
    """Move up by rows; from the top row back to the layer list."""
    columns, place = state.facts.tile_columns, max(state.tile_place, 0)
    row = place // columns
    if state.view.cursor_area == "tiles" and row > 0:
        select_tile(state, place - min(steps, row) * columns)
    else:
        state.view.cursor_area = "layers"


def previous_layer(state: State, steps: int = 1) -> None:
    """Show the layer `steps` before, without moving the cursor."""
    _show_layer(state, state.view.layer_index - steps)


def next_layer(state: State, steps: int = 1) -> None:
    """Show the layer `steps` behind, without moving the cursor."""
    _show_layer(state, state.view.layer_index + steps)


def select_layer(state: State, index: int) -> None:
    """Answer a click on a layer's name."""
    state.view.cursor_area = "layers"
    _show_layer(state, index)


def select_tile(state: State, place: int) -> None:
    """Step to the unit of a tile, counted from 0; kept within the tiles."""
    if units := state.tile_units:
        select_unit(state, units[max(0, min(place, len(units) - 1))])


def select_unit(state: State, unit: int) -> None:
    """Answer a click on a unit's tile, or a step to it; kept within the layer."""
    if state.layer:
        state.view.cursor_area = "tiles"
        state.view.unit = state.view.wanted_unit = max(0, min(unit, state.layer.channels - 1))


def scroll_layers(state: State, first: int) -> None:
    """Answer the wheel over the layer list: `first` is the first name shown."""
    state.view.layer_scroll = max(0, min(first, len(state.facts.layers) - 1))


def go_to(state: State, unit: Unit) -> None:
    """Select a unit of any layer, as `--goto layer:unit` asks."""
    names = [layer.name for layer in state.facts.layers]
    if unit.layer in names:
        _show_layer(state, names.index(unit.layer))
        select_unit(state, unit.channel)


def _show_layer(state: State, index: int) -> None:
    state.view.layer_index = max(0, min(index, len(state.facts.layers) - 1))
    state.view.layer_scroll = None
    if state.layer:
        state.view.unit = min(state.view.wanted_unit, state.layer.channels - 1)


# -- how it is shown -----------------------------------------------------------------------------------------------


def cycle_zoom(state: State) -> None:
    """Choose the next of: all tiles, the selected unit (in pattern mode its pictures), the backward result where
    there is one."""
    shown = [zoom for zoom in ZOOMS if zoom != "backward" or state.view.backward != "off"]
    place = shown.index(state.view.zoom) if state.view.zoom in shown else -1
    zoom_to(state, shown[(place + 1) % len(shown)])


def zoom_to(state: State, zoom: Zoom, pictures: UnitImageKind | None = None) -> None:
    """Show this zoom; with "unit", `pictures` of the selected unit are enlarged instead of its map."""
    state.view.zoom, state.view.zoomed_pictures = zoom, pictures


def toggle_zoom(state: State, zoom: Zoom, pictures: UnitImageKind | None = None) -> None:
    """Answer a double click: enlarge what was clicked, in the place of the tiles, or show all tiles
    again."""
    if state.view.zoom != "tiles":
        zoom_to(state, "tiles")
    else:
        zoom_to(state, zoom, pictures)


def cycle_gamma(state: State) -> None:
    """Choose the next gamma for faint values."""
    state.view.gamma_index = (state.view.gamma_index + 1) % len(GAMMAS)


def cycle_channel_boost(state: State) -> None:
    """Choose the next boost of each channel on its own."""
    state.view.channel_boost_index = (state.view.channel_boost_index + 1) % len(CHANNEL_BOOSTS)


def toggle_labels(state: State) -> None:
    """Show class labels, or hide them."""
    state.view.show_labels = not state.view.show_labels


def toggle_help(state: State) -> None:
    """Show the help, or hide it."""
    state.view.show_help = not state.view.show_help


def toggle_timings(state: State) -> None:
    """Show the timings, or hide them."""
    state.view.show_timings = not state.view.show_timings


def toggle_unit_images(state: State) -> None:
    """Show the selected unit's pictures, or hide them."""
    state.view.show_unit_images = not state.view.show_unit_images


def toggle_pattern_preferred(state: State) -> None:
    """Switch pattern mode: every tile shows its unit's preferred image."""
    _toggle_pattern(state, "regularized_opt")


def toggle_pattern_top(state: State) -> None:
    """Switch pattern mode with every unit's top image."""
    _toggle_pattern(state, "max_im")


def _toggle_pattern(state: State, pattern: Pattern) -> None:
    state.view.pattern = "off" if state.view.pattern == pattern else pattern
    state.view.zoomed_pictures = None


def want_pictures(state: State) -> None:
    """Preferred images of the selected unit are made on demand, in the background; pressed again, no longer."""
    if not state.facts.has_unit_images:
        state.facts.message = "this model names no folder for unit images: give --set unit_images.folder=FOLDER"
    elif state.selected:
        state.orders.grow ^= {state.selected}
        doing = "making preferred images" if state.selected in state.orders.grow else "stopped making pictures"
        state.facts.message = f"{doing} of {state.selected}"


# -- where frames come from ----------------------------------------------------------------------------------------


def toggle_camera_frozen(state: State) -> None:
    """Freeze the picture, or let it run."""
    state.view.camera_frozen = not state.view.camera_frozen


def switch_source(state: State) -> None:
    """Order the other of the two inputs."""
    if state.facts.sources < 2:
        state.facts.message = "there is one source only; give --input twice to switch between two"
    else:
        state.orders.switch_source += 1


def next_picture(state: State) -> None:
    """Order the next picture."""
    state.orders.picture_steps += 1


def previous_picture(state: State) -> None:
    """Order the previous picture."""
    state.orders.picture_steps -= 1


def toggle_stretch(state: State) -> None:
    """Stretch pictures to a square, or crop them again."""
    state.view.stretch = not state.view.stretch


# -- the window ----------------------------------------------------------------------------------------------------


def want_screenshot(state: State) -> None:
    """Order a screenshot."""
    state.orders.screenshot = True


def reset(state: State) -> None:
    """Go back to how things are shown at the start; the cursor stays where it is."""
    place = ("cursor_area", "layer_index", "unit", "wanted_unit")
    state.view = replace(deepcopy(state.start_view), **{name: getattr(state.view, name) for name in place})


def quit_toolbox(state: State) -> None:
    """Order the end of the program."""
    state.orders.quit = True
