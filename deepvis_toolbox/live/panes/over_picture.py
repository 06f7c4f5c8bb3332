"""What lies over the input picture: the marked region, and the receptive field of the place under the mouse."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from deepvis_toolbox.drawing.colours import Colour, Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.pictures import fitted_box
from deepvis_toolbox.drawing.shapes import frame
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.caption import body_box, draw_badge
from deepvis_toolbox.live.panes.pointing import places_question
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import MapPlace, State
from deepvis_toolbox.measure.measurement import Question
from deepvis_toolbox.words.layer import Rect


def over_picture_needs(state: State) -> Iterable[Question[Any]]:
    """Return what is asked for what lies over the picture."""
    question = places_question(state) if isinstance(state.facts.pointed, MapPlace) else None
    return () if question is None else (question,)


def picture_box(height: int, width: int, scene: Scene) -> Box | None:
    """Return where the picture lies in an input pane of this size; None where there is none."""
    body = body_box(height, width, scene.look)
    if scene.snapshot is None or not scene.snapshot.input_image.size or body.height < 1 or body.width < 1:
        return None
    shape = scene.snapshot.input_image.shape
    box = fitted_box((shape[0], shape[1]), (body.height, body.width))
    return Box(box.top + body.top, box.left + body.left, box.bottom + body.top, box.right + body.left)


def draw_over_picture(place: Pixels, scene: Scene) -> None:
    """Draw over `place`, the pixels of the picture alone."""
    state, look = scene.state, scene.look
    if scene.snapshot is None:
        return
    size = scene.snapshot.input_image.shape[:2]
    if region := scene.snapshot.request.perturbation.region:
        _frame(place, region, size, look.warning, look)
    if region := state.view.dragged or state.region:
        _frame(place, region, size, look.accent, look)
    if isinstance(state.facts.pointed, MapPlace):
        _draw_field(place, state.facts.pointed, size, scene)


def _draw_field(place: Pixels, pointed: MapPlace, size: tuple[int, ...], scene: Scene) -> None:
    """Draw what the place under the mouse sees."""
    places = scene.answer(places_question(scene.state))
    if places is None or pointed.row >= len(places.rows) or pointed.column >= len(places.columns):
        return
    look, whole = scene.look, Rect(0, 0, size[0], size[1])
    field = places.field(pointed.row, pointed.column) if places.by_fields else whole
    _frame(place, field, size, look.text, look)
    if not places.by_fields:
        draw_badge(place, look, f"each place of {pointed.layer} sees all of it")


def _frame(pixels: Pixels, rect: Rect, size: tuple[int, ...], colour: Colour, look: Look) -> None:
    """Draw a frame around a part of the picture, dark on both sides so that it is seen on every ground."""
    height, width = pixels.shape[:2]
    top, bottom = (round(max(0, min(edge, size[0])) * height / size[0]) for edge in (rect.top, rect.bottom))
    left, right = (round(max(0, min(edge, size[1])) * width / size[1]) for edge in (rect.left, rect.right))
    line = look.px(1.5)
    inner = Box(top + line, left + line, max(bottom - line, top + line + 1), max(right - line, left + line + 1))
    frame(pixels, inner, look.window, 2 * line)
    frame(pixels, inner, colour, line)
