"""The occlusion map: where the selected unit needs the picture, found by covering it part by part."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.levels import to_levels
from deepvis_toolbox.drawing.pictures import fitted_box, paint_picture
from deepvis_toolbox.drawing.shapes import clear
from deepvis_toolbox.drawing.text import draw_text
from deepvis_toolbox.live import actions_occlusion
from deepvis_toolbox.live.keys import Binding
from deepvis_toolbox.live.panes.caption import body_of, draw_badge, draw_caption, draw_note, missing_note
from deepvis_toolbox.live.panes.changed import changed_title
from deepvis_toolbox.live.panes.naming import number_text
from deepvis_toolbox.live.panes.pane import Pane, Slot
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure.measurement import Question
from deepvis_toolbox.measure.occlusion import Occlusion, OcclusionMap
from deepvis_toolbox.words.images import RGBImage

PICTURE_SHARE = 0.25
"""How bright the picture is below the map."""


class OcclusionPane(Pane):
    """The dimmed picture with the map over it, and what its colours mean."""

    name = "occlusion"
    slot = Slot.RIGHT
    says_what_is_changed = True
    keys = (
        Binding(("6",), actions_occlusion.toggle_occlusion, "Why", "which parts of a still picture the unit needs"),
    )

    def is_shown(self, state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG002
        """Return whether a key asked for it."""
        return state.view.show_occlusion

    def needs(self, state: State) -> Iterable[Question[Any]]:
        """Return the map, which fills with time."""
        question = _question(state)
        return () if question is None else (question,)

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the map, or say why there is none."""
        look, question = scene.look, _question(scene.state)
        draw_caption(pixels, look, changed_title("without this part", scene), scene.state.address)
        body = body_of(pixels, look)
        clear(body, look.panel)
        answer = scene.answer(question)
        if answer is None or scene.snapshot is None:
            draw_note(body, look, missing_note(scene, question))
            return
        if answer.note or not np.isfinite(answer.drops).any():
            draw_note(body, look, answer.note or missing_note(scene, question))
            return
        picture = overlaid(scene.snapshot.input_image, answer, scene)
        box = fitted_box(picture.shape[:2], body.shape[:2])
        paint_picture(body, picture)
        if answer.done < 1:
            draw_badge(body[box.top : box.bottom, box.left : box.right], look, f"{100 * answer.done:.0f} % tried")
        lines = (
            (f"value {number_text(answer.value)}", look.text),
            (f"orange: less without this part, by up to {number_text(float(np.nanmax(answer.drops)))}", look.positive),
            (f"blue: more, by up to {number_text(max(0.0, -float(np.nanmin(answer.drops))))}", look.negative),
        )
        for number, (text, colour) in enumerate(lines):
            baseline = box.bottom + look.px(6) + look.small.ascent + number * look.small.line_height
            draw_text(body, text, look.px(6), baseline, look.small, colour, width=max(0, body.shape[1] - look.px(12)))


def overlaid(image: RGBImage, answer: Occlusion, scene: Scene) -> RGBImage:
    """Return the dimmed picture, RGB uint8 H×W×3, with the drops over it in the gradients' colours."""
    height, width = image.shape[:2]
    drops = cv2.resize(np.nan_to_num(answer.drops), (width, height), interpolation=cv2.INTER_LINEAR)
    levels = to_levels(np.asarray(drops, np.float32)[None], scene.state.view.gamma, signed=True)
    colours = scene.look.gradient_palette[levels.indices[0], 0]
    grey = image.mean(2, keepdims=True) * PICTURE_SHARE
    return np.clip(grey + colours * (1 - PICTURE_SHARE), 0, 255).astype(np.uint8)


def _question(state: State) -> OcclusionMap | None:
    if state.layer is None or not state.view.show_occlusion:
        return None
    return OcclusionMap(state.layer.name, state.view.unit)
