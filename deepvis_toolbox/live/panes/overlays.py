"""Overlays on the input: where the selected unit is active, Grad-CAM, the gradient's norm, attention, classes."""

from __future__ import annotations

import cv2
import numpy as np

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.heat import paint_area, paint_heat
from deepvis_toolbox.drawing.shapes import dim
from deepvis_toolbox.live.actions_where import layer_of_classes
from deepvis_toolbox.live.panes.attention_overlay import (
    AttentionAnswer,
    AttentionQuestion,
    attention_question,
    attention_title,
    draw_attention,
)
from deepvis_toolbox.live.panes.caption import COMPUTING, draw_badge
from deepvis_toolbox.live.panes.class_map_overlay import draw_class_map
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import Overlay, State
from deepvis_toolbox.measure import BackwardImage, ClassesAtPlaces, ClassMap, GradCAM, Heat, InputGradient, UnitHeat
from deepvis_toolbox.words.backward import OFF
from deepvis_toolbox.words.images import Floats

TITLES: dict[Overlay, str] = {
    "area": "active area",
    "heat": "heat",
    "Grad-CAM": "Grad-CAM",
    "gradient": "gradient norm",
    "classes": "classes",
}
OUTLINE_AT = 0.5
"""Of the unit's maximum."""
ROBUST = 99.5
"""Per cent of the gradient's places that stay below the brightest colour."""
BLUR = 2.0
"""Standard deviation of the Gaussian over the gradient's norm, in input pixels."""


def overlay_question(state: State) -> UnitHeat | GradCAM | BackwardImage | ClassMap | AttentionQuestion | None:
    """Return what the overlay shows; None where there is none."""
    unit, overlay = state.selected, state.view.overlay
    if unit is None or overlay == "none":
        return None
    if overlay in ("attention", "rollout", "token norm"):
        return attention_question(state)
    if overlay == "classes":
        classes = layer_of_classes(state)
        return None if classes is None else ClassMap(classes.name)
    if overlay == "Grad-CAM":
        return GradCAM(unit.layer, unit.channel)
    if overlay == "gradient":
        mode = "grad" if state.view.backward == OFF else state.view.backward
        return BackwardImage(unit.layer, unit.channel, mode)
    return UnitHeat(unit.layer, unit.channel)


def overlay_name(state: State) -> str:
    """Return what the overlay that is on is called."""
    return TITLES.get(state.view.overlay, state.view.overlay)


def overlay_title(scene: Scene) -> str:
    """Return what the caption says of the overlay; nothing where there is none."""
    question = overlay_question(scene.state)
    if question is None:
        return ""
    if isinstance(question, AttentionQuestion):
        return attention_title(scene, question)
    title = overlay_name(scene.state)
    if isinstance(question, BackwardImage):
        return title if question.mode == "grad" else f"{title}, {question.mode}"
    found = scene.answer(question) if isinstance(question, GradCAM) else None
    return f"{title} at {found.layer}" if found else title


def draw_overlay(place: Pixels, scene: Scene) -> None:
    """Draw the overlay over `place`, the pixels of the picture; or say why there is nothing."""
    question = overlay_question(scene.state)
    if question is None:
        return
    found: Heat | InputGradient | ClassesAtPlaces | AttentionAnswer | None = (
        scene.snapshot.answers.get(question) if scene.snapshot else None
    )
    if found is None:
        dim(place, 0.6)
        why_not = scene.snapshot.refusals.get(question) if scene.snapshot else None
        draw_badge(place, scene.look, why_not or COMPUTING)
    elif isinstance(found, InputGradient):
        _draw_gradient(place, found, scene)
    elif isinstance(found, AttentionAnswer):
        draw_attention(place, found, scene)
    elif isinstance(found, ClassesAtPlaces):
        draw_class_map(place, found, scene)
    else:
        _draw_heat(place, found, scene)


def _draw_heat(place: Pixels, heat: Heat, scene: Scene) -> None:
    look, values = scene.look, np.nan_to_num(heat.over_picture, nan=0.0, posinf=0.0, neginf=0.0)
    largest = float(values.max(initial=0.0))
    if largest <= 0:
        dim(place, 0.35)
        draw_badge(place, look, heat.note or f"{scene.state.address} is nowhere above zero")
        return
    if scene.state.view.overlay == "area":
        paint_area(place, values, OUTLINE_AT * largest, look.accent, look.px(1.5))
    else:
        paint_heat(place, values, largest)
    if note := _started_elsewhere(heat, scene.state) or heat.note:
        draw_badge(place, look, note)


def _started_elsewhere(heat: Heat, state: State) -> str:
    return (
        f"from {heat.start}:{state.view.unit}" if heat.start and state.layer and heat.start != state.layer.name else ""
    )


def _draw_gradient(place: Pixels, gradient: InputGradient, scene: Scene) -> None:
    if not gradient.image.any():
        dim(place, 0.35)
        draw_badge(place, scene.look, gradient.note or "the gradient is exactly zero here")
        return
    norm = _norm(gradient.image)
    paint_heat(place, norm, float(np.percentile(norm, ROBUST)) or float(norm.max()))
    if gradient.note:
        draw_badge(place, scene.look, gradient.note)


def _norm(image: Floats) -> Floats:
    """Return the norm over channels behind a small Gaussian, as a share of the largest value."""
    finite = np.nan_to_num(image, nan=0.0, posinf=0.0, neginf=0.0)
    scaled = finite / (np.abs(finite).max(initial=0) or 1)
    norm = np.sqrt((scaled**2).sum(2))
    return np.asarray(cv2.GaussianBlur(norm, (0, 0), BLUR, borderType=cv2.BORDER_REFLECT), np.float32)
