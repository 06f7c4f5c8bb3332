"""The selected unit, enlarged; a unit without places as its value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.pictures import fitted_box, paint_map
from deepvis_toolbox.drawing.shapes import bar, clear, frame
from deepvis_toolbox.drawing.text import draw_text, fitted, text_width
from deepvis_toolbox.live import actions, actions_statistics
from deepvis_toolbox.live.keys import Binding
from deepvis_toolbox.live.panes.caption import body_box, body_of, draw_badge, draw_caption, draw_note
from deepvis_toolbox.live.panes.maps import MapsOf, ShownMaps, no_maps_note, shown_maps
from deepvis_toolbox.live.panes.naming import NO_NAME, number_text, unit_name, words_of
from deepvis_toolbox.live.panes.pane import Hit, Pane, Slot
from deepvis_toolbox.live.panes.pointing import places_question, pointed_place, seeing_part
from deepvis_toolbox.live.panes.questions import maps_question
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import MapPlace, State
from deepvis_toolbox.measure import LayerMaps
from deepvis_toolbox.measure.measurement import Question


class SelectedPane(Pane):
    """The unit under the cursor, or where the cursor was last."""

    name = "selected"
    slot = Slot.LEFT
    keys = (Binding((), lambda _: None, "Mouse", "enlarge it, or show all tiles again", "double click a picture"),)

    def needs(self, state: State) -> Iterable[Question[Any]]:
        """Return the question of the layer's maps, and where their places lie while the mouse asks for it."""
        wanted = (maps_question(state), places_question(state))
        return tuple(question for question in wanted if question is not None)

    def facts(self, height: int, width: int, scene: Scene) -> Mapping[str, object]:  # noqa: ARG002
        """Return the activations of the units that a key pastes."""
        layer, question = scene.state.layer, maps_question(scene.state)
        maps = scene.answer(question) if isinstance(question, LayerMaps) else None
        if layer is None or maps is None:
            return {"chosen_maps": {}}
        here = [unit for unit in (scene.state.selected, *scene.state.view.marked) if unit and unit.layer == layer.name]
        return {"chosen_maps": {unit: maps.maps[unit.channel] for unit in here if unit.channel < len(maps.maps)}}

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the caption with the unit's address, and its map below it."""
        body = body_of(pixels, scene.look)
        clear(body, scene.look.panel)
        draw_caption(pixels, scene.look, _title(scene, pixels.shape[1]), scene.state.address)
        draw_unit(body, scene)

    def hit(self, height: int, width: int, scene: Scene, x: int, y: int) -> Hit:
        """Answer the mouse: it points at a place of the unit's map, a double click enlarges the unit, and a click on
        the caption shows statistics."""
        if y < body_box(height, width, scene.look).top:
            return Hit(None, actions_statistics.toggle_statistics)
        place = place_in_unit(height, width, scene, x, y)
        return Hit(double_click=lambda state: actions.toggle_zoom(state, "unit"), place=place)


def _title(scene: Scene, width: int) -> str:
    """Return what is shown of it, where that is compared; else what the unit stands for, where a scan tells, cut so
    that its address has room."""
    state, look = scene.state, scene.look
    if state.reference is not None or state.view.networks:
        return state.view.tiles_show.replace("activations of", "selected in")
    words = words_of(state, state.selected)
    if words is None:
        return "selected unit"
    title = ", ".join(words) or NO_NAME
    address = min(text_width(state.address, look.small) + look.px(14), width // 2)
    return fitted(title, look.font, width - address)


def place_in_unit(height: int, width: int, scene: Scene, x: int, y: int) -> MapPlace | None:
    """Return the place of the selected unit's map at a pixel of a pane that shows it below its caption."""
    body, layer = body_box(height, width, scene.look), scene.state.layer
    if layer is None or body.height < 1 or body.width < 1:
        return None
    return pointed_place(scene.state, fitted_box(layer.map_shape, (body.height, body.width)), x, y - body.top)


def draw_unit(pixels: Pixels, scene: Scene) -> None:
    """Draw the selected unit's map, as large as the pixels allow; a flat layer's unit as its value."""
    state, look, maps = scene.state, scene.look, shown_maps(scene)
    if maps is None or maps.is_stale:
        draw_note(pixels, look, no_maps_note(scene))
    elif state.view.unit >= len(maps.levels.indices):
        draw_note(pixels, look, f"the network gave no map for {state.address}")
    elif maps.is_flat:
        _draw_value(pixels, scene, maps)
    else:
        box = paint_map(pixels, maps.levels.indices[state.view.unit], maps.palette, look.smooth)
        place = pixels[box.top : box.bottom, box.left : box.right]
        if part := seeing_part(scene, box.height, box.width):
            frame(place, Box(part.top + 1, part.left + 1, part.bottom - 1, part.right - 1), look.text, look.px(1))
        note = _note(maps.values[state.view.unit], maps.what)
        if maps.others is not None:
            note = "; ".join(filter(None, (_other_tokens(maps.others[state.view.unit]), note)))
        if note:
            draw_badge(place, look, note)


def _other_tokens(values: NDArray[np.float32]) -> str:
    """Return the values of the tokens that have no place in the map."""
    shown = [number_text(float(value)) for value in values[:_OTHERS_SHOWN]]
    more = ", …" if len(values) > _OTHERS_SHOWN else ""
    return f"class token {shown[0]}" if len(values) == 1 else f"tokens in front {', '.join(shown)}{more}"


_OTHERS_SHOWN = 3


def _note(values: NDArray[np.float32], what: MapsOf) -> str:
    """Return what the picture of these values does not say itself."""
    if not values.any():
        nothing = {"changes": "nothing changes here", "differences": "there is no difference here"}
        return nothing.get(what) or f"{what.removesuffix('s')} exactly zero"
    not_finite = int(values.size - np.isfinite(values).sum())
    return f"{not_finite} values are not finite" if not_finite else ""


def _draw_value(pixels: Pixels, scene: Scene, maps: ShownMaps) -> None:
    """Draw a unit without places: its name, its value, and where that lies among the layer's values."""
    state, look = scene.state, scene.look
    height, width = pixels.shape[:2]
    value, centre = float(maps.values.reshape(-1)[state.view.unit]), width // 2
    baseline = height // 2 - look.px(4)
    draw_text(pixels, f"{value:.4g}", centre, baseline, look.large, look.text, "centre")
    name = unit_name(state, maps.layer, state.view.unit) if state.view.show_labels else f"channel {state.view.unit}"
    draw_text(pixels, name, centre, baseline - look.px(30), look.font, look.dim, "centre", width - look.px(24))
    low, high = min(maps.levels.low, 0.0), max(maps.levels.high, 0.0)
    span = (high - low) or 1.0
    side = min(look.px(look.margin) * 2, width // 4)
    box = Box(baseline + look.px(20), side, baseline + look.px(25), width - side)
    bar(pixels, box, (value - low) / span, look.accent, look.line, start=-low / span)
    below = box.bottom + look.px(6) + look.small.capital_height
    draw_text(pixels, number_text(low), box.left, below, look.small, look.dim)
    draw_text(pixels, number_text(high), box.right, below, look.small, look.dim, "right")
