"""The selected unit, enlarged; while the cursor is in the layer list, the five likeliest classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.pictures import paint_map
from deepvis_toolbox.drawing.shapes import bar, clear
from deepvis_toolbox.drawing.text import draw_text
from deepvis_toolbox.live import actions
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.caption import (
    COMPUTING,
    body_of,
    draw_badge,
    draw_caption,
    draw_note,
    key_for,
    waiting_for,
)
from deepvis_toolbox.live.panes.maps import ShownMaps, is_stale, shown_maps
from deepvis_toolbox.live.panes.naming import class_name, number_text, unit_name
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot

CLASSES = 5


def draw(pixels: Pixels, state: State, snapshot: Snapshot | None, look: Look) -> None:
    """The unit where one is selected, else the classes."""
    body = body_of(pixels, look)
    clear(body, look.panel)
    if state.unit_is_selected:
        draw_caption(pixels, look, "selected unit", state.address)
        draw_unit(body, state, snapshot, look)
    else:
        draw_caption(pixels, look, "top classes")
        _draw_classes(body, state, snapshot, look)


def draw_unit(pixels: Pixels, state: State, snapshot: Snapshot | None, look: Look) -> None:
    """The selected unit's map, as large as the pixels allow; a flat layer's unit as its value."""
    if snapshot is None:
        draw_note(pixels, look, waiting_for(state))
    elif is_stale(state, snapshot):
        draw_note(pixels, look, COMPUTING)
    elif snapshot.maps is None or (maps := shown_maps(state, snapshot, look)) is None:
        draw_note(pixels, look, snapshot.maps_note or COMPUTING)
    elif state.unit >= len(maps.levels.indices):
        draw_note(pixels, look, f"the network gave no map for {state.address}")
    elif maps.is_flat:
        _draw_value(pixels, state, snapshot, maps, look)
    else:
        box = paint_map(pixels, maps.levels.indices[state.unit], maps.palette, look.smooth)
        if note := _note(snapshot.maps[state.unit], state):
            draw_badge(pixels[box.top : box.bottom, box.left : box.right], look, note)


def _note(values: NDArray[np.float32], state: State) -> str:
    """What the picture of these values does not say itself."""
    if not values.any():
        return f"{'gradient' if state.show_gradients else 'activation'} exactly zero"
    not_finite = int(values.size - np.isfinite(values).sum())
    return f"{not_finite} values are not finite" if not_finite else ""


def _draw_value(pixels: Pixels, state: State, snapshot: Snapshot, maps: ShownMaps, look: Look) -> None:
    """A unit without places: its name, its value, and where that lies among the layer's values."""
    assert snapshot.maps is not None
    height, width = pixels.shape[:2]
    value, centre = float(snapshot.maps[state.unit]), width // 2
    baseline = height // 2 - look.px(4)
    draw_text(pixels, f"{value:.4g}", centre, baseline, look.large, look.text, "centre")
    name = unit_name(state, snapshot.request.layer, state.unit) if state.show_labels else f"channel {state.unit}"
    draw_text(pixels, name, centre, baseline - look.px(30), look.font, look.dim, "centre", width - look.px(24))
    low, high = min(maps.levels.low, 0.0), max(maps.levels.high, 0.0)
    span = (high - low) or 1.0
    side = min(look.px(look.margin) * 2, width // 4)
    box = Box(baseline + look.px(20), side, baseline + look.px(25), width - side)
    bar(pixels, box, (value - low) / span, look.accent, look.line, start=-low / span)
    below = box.bottom + look.px(6) + look.small.capital_height
    draw_text(pixels, number_text(low), box.left, below, look.small, look.dim)
    draw_text(pixels, number_text(high), box.right, below, look.small, look.dim, "right")


def _draw_classes(pixels: Pixels, state: State, snapshot: Snapshot | None, look: Look) -> None:
    if not state.show_labels:
        draw_note(pixels, look, f"class labels are off; press {key_for(actions.toggle_labels)}")
    elif snapshot is None:
        draw_note(pixels, look, waiting_for(state))
    elif snapshot.probabilities is None or not snapshot.probabilities.size:
        note = "this network has no label layer" if not state.label_layers else COMPUTING
        draw_note(pixels, look, note)
    else:
        _draw_bars(pixels, state, np.nan_to_num(snapshot.probabilities, posinf=0.0, neginf=0.0), look)


def _draw_bars(pixels: Pixels, state: State, probabilities: np.ndarray, look: Look) -> None:
    height, width = pixels.shape[:2]
    pad, least = look.px(look.margin), look.font.capital_height + look.px(15)
    rows = max(1, min(CLASSES, (height - pad) // least))  # as many as stand apart
    row, shown = max(1, min((height - pad) // rows, look.px(50))), min(rows, probabilities.size)
    top = max(0, (height - row * rows) // 2)
    best = np.argsort(-probabilities, kind="stable")[:shown]
    number_width = look.px(48) if width >= look.px(150) else 0  # names come first
    for place, index in enumerate(best.tolist()):
        probability = float(probabilities[index])
        baseline = top + place * row + row // 2
        colour = look.text if place == 0 else look.dim
        draw_text(
            pixels, class_name(state, index), pad, baseline, look.font, colour, width=width - 2 * pad - number_width
        )
        if number_width:
            draw_text(pixels, f"{100 * probability:.1f} %", width - pad, baseline, look.small, colour, "right")
        box = Box(baseline + look.px(7), pad, baseline + look.px(10), width - pad)
        bar(pixels, box, probability, look.accent if place == 0 else look.dim, look.line)
