"""The backward result: what the backward pass brought to the input."""

from __future__ import annotations

from deepvis_toolbox.drawing.backward_views import backward_picture
from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.pictures import paint_picture
from deepvis_toolbox.drawing.shapes import clear, dim
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
from deepvis_toolbox.live.panes.naming import ORIGIN_MARK
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot

STALE_BRIGHTNESS = 0.6


def draw(pixels: Pixels, state: State, snapshot: Snapshot | None, look: Look) -> None:
    """The picture with the unit it started from, or why there is none."""
    title = "backward" if state.backward == "off" else f"{state.backward} · {state.backward_view}"
    draw_caption(pixels, look, title, _origin_text(state, snapshot), look.accent if state.frozen_origin else look.dim)
    body = body_of(pixels, look)
    clear(body, look.panel)
    draw_result(body, state, snapshot, look)


def draw_result(pixels: Pixels, state: State, snapshot: Snapshot | None, look: Look) -> None:
    """The backward picture, as large as the pixels allow."""
    if state.backward == "off":
        draw_note(pixels, look, f"backward is off; press {key_for(actions.cycle_backward)}")
    elif snapshot is None:
        draw_note(pixels, look, waiting_for(state))
    elif snapshot.backward_image is None or not snapshot.backward_image.size:
        is_answer = snapshot.request.backward != "off"
        draw_note(pixels, look, (snapshot.backward_note if is_answer else "") or COMPUTING)
    elif not snapshot.backward_image.any():
        draw_note(pixels, look, snapshot.backward_note or "the gradient is exactly zero here")
    else:
        box = paint_picture(pixels, backward_picture(snapshot.backward_image, state.backward_view, look.blur_radius))
        place = pixels[box.top : box.bottom, box.left : box.right]
        if _is_stale(state, snapshot):
            dim(place, STALE_BRIGHTNESS)
        if snapshot.backward_note:
            draw_badge(place, look, snapshot.backward_note)


def _origin_text(state: State, snapshot: Snapshot | None) -> str:
    """Where the picture that is shown started: the snapshot's origin, which can lag behind the state's."""
    if state.backward == "off" or state.origin is None:
        return ""
    request = snapshot.request if snapshot and snapshot.request.backward != "off" else None
    layer = request.origin_layer if request else state.origin.layer
    unit = request.origin_unit if request else state.origin.unit
    return f"{layer}:{unit} {ORIGIN_MARK}" if state.frozen_origin else f"{layer}:{unit}"


def _is_stale(state: State, snapshot: Snapshot) -> bool:
    request, origin = snapshot.request, state.origin
    wanted = (state.backward, origin.layer, origin.unit) if origin else None
    return (request.backward, request.origin_layer, request.origin_unit) != wanted
