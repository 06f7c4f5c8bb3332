"""The layer list: the layer shown, the frozen origin, each layer's shape; long lists scroll."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from deepvis_toolbox.drawing.colours import Colour, Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.shapes import clear, fill
from deepvis_toolbox.drawing.text import draw_text, text_width
from deepvis_toolbox.live import actions
from deepvis_toolbox.live.keys import Binding
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.caption import body_box, body_of, draw_caption, draw_note, with_rate
from deepvis_toolbox.live.panes.layer_bars import change_colour, changed_layers, draw_layer_bar
from deepvis_toolbox.live.panes.naming import ORIGIN_MARK, shape_text
from deepvis_toolbox.live.panes.pane import Hit, Pane, Slot
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.measure import LayerActivity
from deepvis_toolbox.measure.measurement import Question
from deepvis_toolbox.words.layer import Layer

ROWS_A_TURN = 3
"""Names that one notch of the wheel scrolls the list by."""


class LayerListPane(Pane):
    """Names, with the shown layer's row marked. It seldom changes: it is drawn once, then copied."""

    name = "layers"
    slot = Slot.LIST
    keys = (Binding((), lambda _: None, "Mouse", "show that layer; the wheel scrolls the list", "click a layer"),)

    def needs(self, state: State) -> Iterable[Question[Any]]:
        """Return how active the layers are, while the tiles are ordered by that and no changes take the bars."""
        return () if state.view.order == "number" or state.view.is_changed else (_activity_question(state),)

    def facts(self, height: int, width: int, scene: Scene) -> Mapping[str, object]:  # noqa: ARG002
        """Return how active each layer's most active unit is, as a share of the largest seen so far."""
        return {"layer_activity": _activity(scene)}

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the names that fit."""
        state, look = scene.state, scene.look
        place = (state.view.layer_index, state.view.layer_scroll, state.view.cursor_area, state.view.frozen_origin)
        changes = changed_layers(scene)
        bars = state.facts.layer_activity if changes is None else changes
        position = f"{state.view.layer_index + 1} of {len(state.facts.layers)}" if state.facts.layers else ""
        detail = position if changes is None else with_rate(position, scene, "bars ")
        colour = look.dim if changes is None else change_colour(look)
        made_from = (look, state.facts.layers, state.facts.other, state.facts.loading, bars, colour, detail, *place)
        scene.kept.picture(self.name, pixels, made_from, lambda fresh: _draw(fresh, state, look, bars, colour, detail))

    def hit(self, height: int, width: int, scene: Scene, x: int, y: int) -> Hit:  # noqa: ARG002
        """Answer the mouse: a click on a name shows that layer, and the list stays under the mouse; the wheel
        scrolls."""
        state, look = scene.state, scene.look
        index, first = layer_at(height, state, look, y), first_row(state, height, look)
        last = max(0, len(state.facts.layers) - visible_rows(height, look))

        def show(state: State) -> None:
            if index is not None:
                actions.select_layer(state, index)
                actions.scroll_layers(state, first)

        def scroll(state: State, turns: int) -> None:
            actions.scroll_layers(state, min(last, first - ROWS_A_TURN * turns))

        what = None if index is None else state.facts.layers[index]
        click = None if index is None else show
        return Hit(what, click, click, scroll)


def _activity_question(state: State) -> LayerActivity:
    return LayerActivity(tuple(layer.name for layer in state.facts.layers[1:]))


def _activity(scene: Scene) -> dict[str, float]:
    """Return {layer: its largest activation now, as a share of the largest seen so far}, while it is asked for."""
    state, largest = scene.state, scene.kept.value("largest seen", (scene.state.facts.layers,), dict[str, float])
    answer = scene.answer(_activity_question(state)) if state.facts.layers and state.view.order != "number" else None
    shares = {}
    for name, value in answer.largest.items() if answer else ():
        if isfinite(value):
            largest[name] = max(value, largest.get(name, 0.0))
            shares[name] = round(max(value, 0.0) / largest[name], 2) if largest[name] else 0.0
    return shares


def _draw(pixels: Pixels, state: State, look: Look, bars: Mapping[str, float], colour: Colour, detail: str) -> None:
    clear(pixels, look.window)
    draw_caption(pixels, look, "layers", detail, active=not state.view.unit_is_selected)
    body = body_of(pixels, look)
    clear(body, look.panel)
    if not state.facts.layers:
        draw_note(body, look, state.facts.loading or "no network yet")
        return
    rows, first = visible_rows(pixels.shape[0], look), first_row(state, pixels.shape[0], look)
    pad, row = _list_pad(look), look.px(look.row)
    for number, entry in enumerate(state.facts.layers[first : first + rows]):
        top = pad + number * row
        line = body[top : top + row, : body.shape[1]]
        _draw_row(line, state, entry, first + number == state.view.layer_index, look)
        if entry.name in bars:
            draw_layer_bar(line, bars[entry.name], look, colour)
    _draw_scroll_mark(body, first, rows, len(state.facts.layers), look)


def visible_rows(height: int, look: Look) -> int:
    """Return how many names a pane of this height shows."""
    body = body_box(height, 0, look)
    return max(1, (body.height - 2 * _list_pad(look)) // look.px(look.row))


def first_row(state: State, height: int, look: Look) -> int:
    """Return the first name shown in a pane of this height: where the wheel put it, else so that the shown layer is
    seen."""
    rows = visible_rows(height, look)
    last = max(0, len(state.facts.layers) - rows)
    wanted = state.view.layer_index - rows // 2 if state.view.layer_scroll is None else state.view.layer_scroll
    return min(max(wanted, 0), last)


def layer_at(height: int, state: State, look: Look, y: int) -> int | None:
    """Return the layer whose name is in row `y` of a pane of this height; None where there is none."""
    body = body_box(height, 0, look)
    number = (y - body.top - _list_pad(look)) // look.px(look.row)
    if not 0 <= number < visible_rows(height, look):
        return None
    index = first_row(state, height, look) + number
    return index if index < len(state.facts.layers) else None


def _list_pad(look: Look) -> int:
    return look.px(5)


def _draw_row(pixels: Pixels, state: State, entry: Layer, is_shown: bool, look: Look) -> None:
    height, width = pixels.shape[:2]
    if is_shown:
        clear(pixels, look.line)
        fill(pixels, Box(0, 0, height, look.px(3)), look.accent if not state.view.unit_is_selected else look.dim)
    baseline = (height + look.font.capital_height) // 2
    right = width - look.px(10)
    if state.view.frozen_origin and state.view.frozen_origin.layer == entry.name:
        hint, colour = f"{ORIGIN_MARK} {state.view.frozen_origin.channel}", look.accent
    elif state.facts.other and entry.name not in state.facts.other.layers:
        hint, colour = "A only", look.dim
    else:  # in a narrow list names come first
        hint, colour = shape_text(entry.shape) if width >= look.px(look.list_width * 0.75) else "", look.dim
    right -= draw_text(pixels, hint, right, baseline, look.small, colour, "right", width=width // 2) + look.px(8)
    _draw_name(pixels, entry.name, look.px(10), right, baseline, is_shown, look)


def _draw_name(pixels: Pixels, name: str, left: int, right: int, baseline: int, is_shown: bool, look: Look) -> None:
    """Draw the name, what precedes its last dot dimmed; where it is too long, its start is left out, not what
    differs."""
    group, dot, part = name.rpartition(".")
    head_room = max(0, right - left - text_width(part, look.font))
    left += draw_text(pixels, group + dot, left, baseline, look.font, look.dim, width=head_room, elide="start")
    colour = look.accent if is_shown else look.text
    draw_text(pixels, part, left, baseline, look.font, colour, width=max(0, right - left), elide="start")


def _draw_scroll_mark(pixels: Pixels, first: int, rows: int, count: int, look: Look) -> None:
    if count <= rows:
        return
    height, width = pixels.shape[:2]
    length = max(look.px(16), height * rows // count)
    top = (height - length) * first // (count - rows)
    fill(pixels, Box(top, width - look.px(3), top + length, width), look.faint)
