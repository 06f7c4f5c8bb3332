"""The layer's tiles; or, zoomed, the selected unit or the backward result in their place."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import TileGrid, fit_grid
from deepvis_toolbox.drawing.shapes import corners, dim, frame
from deepvis_toolbox.drawing.text import draw_text, text_width
from deepvis_toolbox.drawing.tiles import colourise, paint_tiles
from deepvis_toolbox.live import actions
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes import backward, selected
from deepvis_toolbox.live.panes.caption import (
    COMPUTING,
    body_box,
    body_of,
    caption_baseline,
    draw_badge,
    draw_caption,
    draw_note,
    key_for,
    waiting_for,
)
from deepvis_toolbox.live.panes.maps import ShownMaps, is_stale, shown_maps
from deepvis_toolbox.live.panes.naming import WIDEST_NUMBER, number_text, shape_text
from deepvis_toolbox.live.panes.pattern import draw_pattern
from deepvis_toolbox.live.panes.unit_images import TITLES, draw_pictures
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot

STALE_BRIGHTNESS = 0.5
MANY = 80
"""From so many tiles on, narrow gaps do."""


def draw(pixels: Pixels, state: State, snapshot: Snapshot | None, look: Look) -> None:
    """What the zoom asks for."""
    body = body_of(pixels, look)
    if state.zoom == "unit":
        pictures = state.enlarged_pictures
        what = TITLES[pictures] if pictures else "enlarged"
        hint = f"{key_for(actions.cycle_zoom)}: next zoom"
        draw_caption(pixels, look, f"{state.address} · {what}", hint, elide="start")
        if pictures:
            draw_pictures(body, pictures, state, snapshot, look)
        else:
            selected.draw_unit(body, state, snapshot, look)
    elif state.zoom == "backward":
        title = f"backward · {state.backward} · {state.backward_view}"
        draw_caption(pixels, look, title, f"{key_for(actions.cycle_zoom)}: all tiles")
        backward.draw_result(body, state, snapshot, look)
    else:
        _draw_tiles(pixels, body, state, snapshot, look)


def tile_grid(height: int, width: int, state: State, snapshot: Snapshot | None, look: Look) -> TileGrid | None:
    """The grid in a pane of this size, measured from the pane's top left; None where no tiles are shown.

    It is the state's layer that counts: a click on tiles that are about to be replaced means the new ones.
    """
    if state.zoom != "tiles" or state.layer is None:
        return None
    shape = map_shape(state, snapshot)
    body = body_box(height, width, look)
    if shape is None or body.height < 1 or body.width < 1:
        return None
    return _fitted(state.layer.units, shape, (body.height, body.width), look)


def _fitted(count: int, shape: tuple[int, int], pane: tuple[int, int], look: Look) -> TileGrid:
    """Few tiles are large, and stand wider apart."""
    return fit_grid(count, shape, pane, look.px(look.tile_gap * (1 if count > MANY else 2)))


def map_shape(state: State, snapshot: Snapshot | None) -> tuple[int, int] | None:
    """Height and width of one map of the shown layer; (1, 1) for a flat layer."""
    if state.layer is None:
        return None
    if state.pattern != "off":
        return 1, 1
    if snapshot and snapshot.maps is not None and snapshot.request.layer == state.layer.name:
        sizes = snapshot.maps.shape
        return (sizes[1], sizes[2]) if len(sizes) == 3 else (1, 1)
    sizes = state.layer.shape
    if len(sizes) == 2:  # tokens: how they form a grid shows in the snapshot
        side = max(1, int(sizes[0] ** 0.5))
        return side, side
    return (sizes[1], sizes[2]) if len(sizes) == 3 else (1, 1)


def unit_at(height: int, width: int, state: State, snapshot: Snapshot | None, look: Look, x: int, y: int) -> int | None:
    """The unit whose tile lies at a pixel of a pane of this size; None where there is none."""
    grid = tile_grid(height, width, state, snapshot, look)
    return grid.tile_at(x, y - body_box(height, width, look).top) if grid else None


def _draw_tiles(pixels: Pixels, body: Pixels, state: State, snapshot: Snapshot | None, look: Look) -> None:
    grid = tile_grid(pixels.shape[0], pixels.shape[1], state, snapshot, look)
    if state.pattern != "off" and grid:
        title = f"{_title(state)} · {TITLES[state.pattern]}"
        draw_caption(pixels, look, title, active=state.unit_is_selected, elide="start")
        draw_pattern(body, state, grid, look)
        _draw_selection(body, state, grid, look)
        return
    maps = shown_maps(state, snapshot, look) if snapshot else None
    stale = snapshot is not None and is_stale(state, snapshot)
    title = _title(state)
    hint = COMPUTING if stale else ""
    draw_caption(pixels, look, title, hint, look.accent, state.unit_is_selected, elide="start")
    if snapshot is None or maps is None:
        note = "" if snapshot is None or stale else snapshot.maps_note
        draw_note(body, look, note or _waiting(state, snapshot))
        return
    if not stale:
        _draw_legend(pixels, state, maps, text_width(title, look.font), look)
    sizes = maps.levels.indices.shape
    grid = _fitted(sizes[0], (sizes[1], sizes[2]), (body.shape[0], body.shape[1]), look)
    paint_tiles(body, maps.levels.indices, grid, maps.palette, look.smooth)
    _draw_marks(body, state, snapshot, grid, look)
    if stale:
        dim(body[: grid.height, : grid.width], STALE_BRIGHTNESS)
    elif note := _note(snapshot, maps):
        draw_badge(body, look, note, in_the_middle=maps.levels.low == maps.levels.high == 0)


def _waiting(state: State, snapshot: Snapshot | None) -> str:
    if state.show_gradients and state.backward == "off":
        return f"gradients need a backward pass; press {key_for(actions.cycle_backward)}"
    return waiting_for(state) if snapshot is None else state.loading or COMPUTING


def _title(state: State) -> str:
    if state.layer is None:
        return "tiles"
    if state.pattern != "off":
        return state.layer.name
    what = "gradients" if state.show_gradients else "activations"
    return f"{state.layer.name} · {shape_text(state.layer.shape)} · {what}"


def _note(snapshot: Snapshot, maps: ShownMaps) -> str:
    """What the tiles do not say themselves."""
    if maps.levels.not_finite:
        return f"{maps.levels.not_finite} values are not finite; they are shown as zero"
    if maps.levels.low == maps.levels.high == 0:
        what = "gradients" if snapshot.request.show_gradients else "activations"
        return snapshot.maps_note or f"all {what} are exactly zero"
    return snapshot.maps_note


def _draw_marks(pixels: Pixels, state: State, snapshot: Snapshot, grid: TileGrid, look: Look) -> None:
    """The selection, and the frozen origin where it lies in this layer."""
    layer = snapshot.request.layer
    frozen = state.frozen_origin
    if frozen and frozen.layer == layer and frozen.unit < grid.count:
        box = grid.tile_rect(frozen.unit)
        length = max(look.px(4), min(box.height, box.width) // 3)
        corners(pixels, box, look.window, look.px(3.5), length + look.px(1))
        corners(pixels, box, look.accent, look.px(2.5), length)
    if state.layer and state.layer.name == layer:
        _draw_selection(pixels, state, grid, look)


def _draw_selection(pixels: Pixels, state: State, grid: TileGrid, look: Look) -> None:
    if state.unit >= grid.count:
        return
    box = grid.tile_rect(state.unit)
    if state.unit_is_selected:
        frame(pixels, box, look.window, look.px(3.5))
        frame(pixels, box, look.accent, look.px(2.5))
    else:
        frame(pixels, box, look.dim, look.px(1))


def _draw_legend(pixels: Pixels, state: State, maps: ShownMaps, title_width: int, look: Look) -> None:
    """The scale of the tiles' colours, in columns that do not move with the numbers.

    Where channels are boosted each on its own, one colour means many values: no numbers are written.
    """
    length, space = look.px(90), look.px(7)
    number = text_width(WIDEST_NUMBER, look.small) + space
    right, baseline = pixels.shape[1], caption_baseline(look)
    left = right - 2 * number - length
    if left < title_width + look.px(16):
        return
    _draw_scale(pixels, maps, left + number, length, baseline, look)
    levels = maps.levels
    size = max(abs(levels.low), abs(levels.high))
    if state.channel_boost or not size:
        return
    low, high = (-size, size) if levels.signed else (0.0, levels.high)
    colour = look.dim
    draw_text(pixels, number_text(low), left + number - space, baseline, look.small, colour, "right")
    draw_text(pixels, number_text(high), right - number + space, baseline, look.small, colour)


def _draw_scale(pixels: Pixels, maps: ShownMaps, left: int, length: int, baseline: int, look: Look) -> None:
    height = look.small.capital_height
    place = pixels[baseline - height : baseline, left : left + length]
    colourise(place, _ramp(*place.shape[:2]), maps.palette)


@lru_cache(maxsize=8)
def _ramp(height: int, width: int) -> NDArray[np.uint8]:
    return np.tile(np.linspace(1, 255, width).astype(np.uint8), (height, 1))
