"""The layer's tiles; or, zoomed, the selected unit or the backward result in their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from math import isqrt
from typing import Any

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import TileGrid, fit_grid
from deepvis_toolbox.drawing.shapes import corners, dim, frame
from deepvis_toolbox.drawing.text import text_width
from deepvis_toolbox.drawing.tiles import paint_tiles
from deepvis_toolbox.live import actions, actions_backward, actions_order
from deepvis_toolbox.live.actions import FAST_STEP
from deepvis_toolbox.live.actions_what_if import toggle_mark
from deepvis_toolbox.live.keys import Binding, moves
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.backward import draw_result
from deepvis_toolbox.live.panes.caption import (
    COMPUTING,
    body_box,
    body_of,
    draw_badge,
    draw_caption,
    draw_note,
)
from deepvis_toolbox.live.panes.legend import draw_legend
from deepvis_toolbox.live.panes.maps import ShownMaps, no_maps_note, shown_maps
from deepvis_toolbox.live.panes.marks import draw_marked, marked_text
from deepvis_toolbox.live.panes.naming import shape_text
from deepvis_toolbox.live.panes.pane import Hit, Pane, Slot
from deepvis_toolbox.live.panes.pattern import draw_pattern
from deepvis_toolbox.live.panes.pointing import frame_in_each_tile, places_question, pointed_place, seeing_part
from deepvis_toolbox.live.panes.questions import growing_question, maps_question, same_scale_question
from deepvis_toolbox.live.panes.selected import draw_unit, place_in_unit
from deepvis_toolbox.live.panes.statistics import draw_off_marks
from deepvis_toolbox.live.panes.tile_order import order_question, order_text, tile_units
from deepvis_toolbox.live.panes.unit_images import TITLES, draw_pictures, title_of
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.measure.measurement import Question
from deepvis_toolbox.words.unit import Unit

STALE_BRIGHTNESS = 0.5
PATTERN_BYTES = 1 << 26
"""Memory for a layer's pictures in pattern mode."""
MANY = 80
"""From so many tiles on, narrow gaps do."""


class TilesPane(Pane):
    """What the zoom asks for: all tiles, the selected unit, or the backward result."""

    name = "tiles"
    slot = Slot.MAIN
    keys = (
        *moves("left", "j", actions.move_left, "unit to the left; in the layer list, previous layer", "←"),
        *moves("right", "l", actions.move_right, "unit to the right; in the layer list, next layer", "→"),
        *moves("up", "i", actions.move_up, "unit above; from the top row, back to the layer list", "↑"),
        *moves("down", "k", actions.move_down, "unit below; from the layer list, into the tiles", "↓"),
        Binding((), lambda _: None, "Move", f"{FAST_STEP} steps at a time", "Shift + the above"),
        Binding(("u",), actions.previous_layer, "Move", "previous layer, without moving the cursor"),
        Binding(("U",), partial(actions.previous_layer, steps=FAST_STEP), "Move", ""),
        Binding(("o",), actions.next_layer, "Move", "next layer, without moving the cursor"),
        Binding(("O",), partial(actions.next_layer, steps=FAST_STEP), "Move", ""),
        Binding((), lambda _: None, "Mouse", "select the unit", "click a tile"),
        Binding((), lambda _: None, "Mouse", "mark the unit, or forget its mark", "Shift-click a tile"),
        Binding((), lambda _: None, "Mouse", "with a scan: what the unit stands for", "mouse over a tile"),
        Binding((), lambda _: None, "Mouse", "next or previous layer", "wheel over tiles"),
        Binding(
            ("a",),
            actions_backward.toggle_gradients,
            "Tiles",
            "activations or gradients (negative blue, positive orange)",
        ),
        Binding(
            ("r",),
            actions_order.cycle_order,
            "Tiles",
            "order: number, maximum, mean; with a scan: share of its largest",
        ),
        Binding(("R",), actions_order.toggle_only_top, "Tiles", "the first tiles of the order only, large"),
        Binding(("z",), actions.cycle_zoom, "Tiles", "zoom: all tiles, selected unit, backward result"),
        Binding(("t",), actions.cycle_gamma, "Tiles", "boost faint values: gamma 1, 0.7, 0.5, 0.3"),
        Binding(("T",), actions.cycle_channel_boost, "Tiles", "boost each channel on its own: 0, 0.3, 0.5, 0.8, 1"),
    )

    def needs(self, state: State) -> Iterable[Question[Any]]:
        """Return the layer's maps, their order and, where this unit's pictures are to be made, how far they are."""
        wanted: tuple[Question[Any] | None, ...] = (maps_question(state), same_scale_question(state))
        wanted = (*wanted, growing_question(state), order_question(state), places_question(state))
        return tuple(question for question in wanted if question is not None)

    def facts(self, height: int, width: int, scene: Scene) -> Mapping[str, object]:
        """Return which unit each tile shows, the grid's columns and the size of its tiles, which keys need to know."""
        units, layer = tile_units(scene), scene.state.layer
        if layer is None:
            return {}
        count = len(units.of(layer.name, layer.channels)) if units else layer.channels
        grid = tile_grid(height, width, scene, count)
        if grid is None:
            return {"tile_units": units}
        # Pictures of all units are read in one size, also where few large tiles are shown.
        size = min(grid.tile_height, isqrt(PATTERN_BYTES // (3 * layer.channels)))
        return {"tile_units": units, "tile_columns": grid.columns, "tile_size": size}

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the caption and what is below it."""
        body, view, look = body_of(pixels, scene.look), scene.state.view, scene.look
        zoom_key = scene.keys.label_for(actions.cycle_zoom)
        if view.zoom == "unit":
            pictures = view.enlarged_pictures
            what = title_of(pictures, scene.state) if pictures else "enlarged"
            title, hint = f"{scene.state.address} · {what}", f"{zoom_key}: next zoom"
            draw_caption(pixels, look, title, hint, elide="start")
            if pictures:
                draw_pictures(body, pictures, scene)
                return
            draw_unit(body, scene)
            maps = shown_maps(scene)
            if maps and not maps.is_stale and not maps.is_flat:
                right = pixels.shape[1] - text_width(hint, look.small) - look.px(16)
                draw_legend(pixels, maps, text_width(title, look.font), right, scene)
        elif view.zoom == "backward":
            title = f"backward · {view.backward} · {view.backward_view}"
            draw_caption(pixels, look, title, f"{zoom_key}: all tiles")
            draw_result(body, scene)
        elif view.pattern != "off" and (grid := tile_grid(pixels.shape[0], pixels.shape[1], scene)):
            _draw_pattern_mode(pixels, body, grid, scene)
        else:
            _draw_tiles(pixels, body, scene)

    def hit(self, height: int, width: int, scene: Scene, x: int, y: int) -> Hit:
        """Answer the mouse: a click selects a unit, a double click enlarges it, the wheel changes the layer."""
        grid = tile_grid(height, width, scene)
        state, below = scene.state, y - body_box(height, width, scene.look).top
        tile = grid.tile_at(x, below) if grid else None
        double_click = partial(actions.toggle_zoom, zoom="unit")
        if grid is None or tile is None or state.layer is None:
            is_unit = state.view.zoom == "unit" and not state.view.enlarged_pictures
            place = place_in_unit(height, width, scene, x, y) if is_unit else None
            return Hit(double_click=double_click, wheel=_change_layer, place=place)
        unit = state.tile_units[tile]
        what = Unit(state.layer.name, unit)
        place = pointed_place(state, grid.tile_rect(tile), x, below) if state.view.pattern == "off" else None
        select, mark = partial(actions.select_unit, unit=unit), partial(toggle_mark, unit=what)
        return Hit(what, select, double_click, _change_layer, place=place, shift_click=mark)


def _change_layer(state: State, turns: int) -> None:
    actions.next_layer(state, -turns)


def tile_grid(height: int, width: int, scene: Scene, count: int | None = None) -> TileGrid | None:
    """Return the grid in a pane of this size, measured from the pane's top left; None where no tiles are shown.

    `count`: how many tiles there are; None: as the state says.
    It is the state's layer that counts: a click on tiles that are about to be replaced means the new ones.
    """
    state = scene.state
    if state.view.zoom != "tiles" or state.layer is None:
        return None
    body = body_box(height, width, scene.look)
    if body.height < 1 or body.width < 1:
        return None
    shape = (1, 1) if state.view.pattern != "off" else state.layer.map_shape
    count = len(state.tile_units) if count is None else count
    return _fitted(count, shape, (body.height, body.width), scene.look)


def _fitted(count: int, shape: tuple[int, int], pane: tuple[int, int], look: Look) -> TileGrid:
    """Few tiles are large, and stand wider apart."""
    return fit_grid(count, shape, pane, look.px(look.tile_gap * (1 if count > MANY else 2)))


def _draw_pattern_mode(pixels: Pixels, body: Pixels, grid: TileGrid, scene: Scene) -> None:
    view = scene.state.view
    title = f"{_title(scene.state)} · {TITLES[view.pattern]}" if view.pattern != "off" else ""
    draw_caption(pixels, scene.look, title, active=view.unit_is_selected, elide="start")
    draw_pattern(body, grid, scene)
    _draw_selection(body, scene.state, scene.state.tile_units, grid, scene.look)


def _draw_tiles(pixels: Pixels, body: Pixels, scene: Scene) -> None:
    state, look, maps = scene.state, scene.look, shown_maps(scene)
    title, hint = _title(state), COMPUTING if maps and maps.is_stale else ""
    draw_caption(pixels, look, title, hint, look.accent, state.view.unit_is_selected, elide="start")
    if maps is None:
        draw_note(body, look, no_maps_note(scene))
        return
    if not maps.is_stale:
        draw_legend(pixels, maps, text_width(title, look.font), pixels.shape[1], scene)
    shown, units = maps.levels.indices, _units_of(maps, state)
    if not isinstance(units, range):
        shown = shown[list(units)]
    grid = _fitted(len(shown), shown.shape[1:], (body.shape[0], body.shape[1]), look)
    paint_tiles(body, shown, grid, maps.palette, look.smooth)
    if (part := seeing_part(scene, grid.tile_height, grid.tile_width)) and not maps.is_stale:
        frame_in_each_tile(body, grid, part, look.dim, look.px(1))
    draw_off_marks(body, grid, units, scene)
    _draw_marks(body, state, maps.layer, units, grid, look)
    if maps.is_stale:
        dim(body[: grid.height, : grid.width], STALE_BRIGHTNESS)
    elif note := _note(maps):
        draw_badge(body, look, note, in_the_middle=maps.levels.low == maps.levels.high == 0)


def _units_of(maps: ShownMaps, state: State) -> Sequence[int]:
    """Return the units whose maps the tiles show, in order: all in the order of their numbers, or as the state says."""
    order, count = state.facts.tile_units, len(maps.levels.indices)
    units = order.of(maps.layer, count) if order else range(count)
    return units if max(units, default=0) < count else range(count)


def _title(state: State) -> str:
    if state.layer is None:
        return "tiles"
    if state.view.pattern != "off":
        return state.layer.name + order_text(state)
    what = f"{shape_text(state.layer.shape)} · {state.view.tiles_show}"
    return f"{state.layer.name} · {what}{order_text(state)}{marked_text(state)}"


def _note(maps: ShownMaps) -> str:
    """Return what the tiles do not say themselves."""
    if maps.levels.not_finite:
        return f"{maps.levels.not_finite} values are not finite; they are shown as zero"
    if maps.levels.low == maps.levels.high == 0:
        return maps.note or f"all {maps.what} are exactly zero"
    return maps.note


def _draw_marks(pixels: Pixels, state: State, layer: str, units: Sequence[int], grid: TileGrid, look: Look) -> None:
    """Draw the selection, and the frozen origin where it lies in this layer."""
    draw_marked(pixels, state, layer, units, grid, look)
    frozen = state.view.frozen_origin
    if frozen and frozen.layer == layer and frozen.channel in units:
        box = grid.tile_rect(units.index(frozen.channel))
        length = max(look.px(4), min(box.height, box.width) // 3)
        corners(pixels, box, look.window, look.px(3.5), length + look.px(1))
        corners(pixels, box, look.accent, look.px(2.5), length)
    if state.layer and state.layer.name == layer:
        _draw_selection(pixels, state, units, grid, look)


def _draw_selection(pixels: Pixels, state: State, units: Sequence[int], grid: TileGrid, look: Look) -> None:
    if state.view.unit not in units:
        return
    box = grid.tile_rect(units.index(state.view.unit))
    if state.view.unit_is_selected:
        frame(pixels, box, look.window, look.px(3.5))
        frame(pixels, box, look.accent, look.px(2.5))
    else:
        frame(pixels, box, look.dim, look.px(1))
