"""The input: the picture as the network saw it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.pictures import paint_picture
from deepvis_toolbox.drawing.shapes import clear
from deepvis_toolbox.live import actions, actions_where
from deepvis_toolbox.live.actions_order import drag_region
from deepvis_toolbox.live.keys import Binding
from deepvis_toolbox.live.panes.caption import body_of, draw_badge, draw_caption, draw_note, waiting_for
from deepvis_toolbox.live.panes.naming import class_name
from deepvis_toolbox.live.panes.over_picture import draw_over_picture, over_picture_needs, picture_box
from deepvis_toolbox.live.panes.overlays import draw_overlay, overlay_question, overlay_title
from deepvis_toolbox.live.panes.pane import Hit, Pane, Slot
from deepvis_toolbox.live.panes.pinned import draw_pinned, pinnable
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import InputPixel, State
from deepvis_toolbox.measure.measurement import Question


class InputPane(Pane):
    """The picture, and its class where a list of pictures gives one."""

    name = "input"
    slot = Slot.LEFT
    keys = (
        Binding(("f",), actions.toggle_camera_frozen, "Pictures", "freeze the picture, or let it run"),
        Binding(("c",), actions.switch_source, "Pictures", "toggle between the two inputs (camera and files)"),
        Binding(("e", "page down"), actions.next_picture, "Pictures", "next picture", "e or PgDn"),
        Binding(("w", "page up"), actions.previous_picture, "Pictures", "previous picture", "w or PgUp"),
        Binding(
            ("y",),
            actions_where.cycle_overlay,
            "Pictures",
            "over the input: active area, heat, Grad-CAM, gradient norm, attention, classes",
        ),
        Binding(("0",), actions.toggle_stretch, "Pictures", "crop to a square, or stretch to it"),
    )

    def needs(self, state: State) -> Iterable[Question[Any]]:
        """Return what lies over the picture."""
        question = overlay_question(state)
        return (*over_picture_needs(state), *((question,) if question else ()))

    def facts(self, height: int, width: int, scene: Scene) -> Mapping[str, object]:  # noqa: ARG002
        """Return the picture that is shown, which a key pins."""
        return {"pinnable": pinnable(scene.snapshot)}

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the newest frame's picture, or say why there is none."""
        state, snapshot, look = scene.state, scene.snapshot, scene.look
        detail = ""
        if snapshot and snapshot.frame.label is not None and state.view.show_labels:
            detail = "label: " + class_name(state, snapshot.frame.label)
        elif state.view.camera_frozen:
            detail = "frozen"
        overlay = overlay_title(scene)
        draw_caption(pixels, look, f"input · {overlay}" if overlay else "input", detail)
        body = body_of(pixels, look)
        if snapshot is None or not snapshot.input_image.size:
            clear(body, look.panel)
            draw_note(body, look, waiting_for(state))
            return
        box = paint_picture(body, snapshot.picture_of(overlay_question(state)))
        place = body[box.top : box.bottom, box.left : box.right]
        draw_overlay(place, scene)
        draw_over_picture(place, scene)
        draw_pinned(place, scene)
        if snapshot.request.perturbation:
            draw_badge(place, look, str(snapshot.request.perturbation), colour=look.warning)
        if state.facts.source_gone:
            draw_badge(place, look, state.facts.source_note, colour=look.warning)

    def hit(self, height: int, width: int, scene: Scene, x: int, y: int) -> Hit:
        """Answer the mouse: it points at a pixel, and a drag marks a region."""
        box = picture_box(height, width, scene)
        if box is None or scene.snapshot is None or not box.contains(x, y):
            return Hit()
        rows, columns = scene.snapshot.input_image.shape[:2]
        scale = rows / box.height
        start = (y - box.top) * scale, (x - box.left) * scale
        drag = partial(drag_region, start=start, scale=scale, size=(rows, columns))
        pixel = InputPixel(min(int(start[0]), rows - 1), min(int(start[1]), columns - 1))
        return Hit(pixel, drag=drag, place=pixel)
