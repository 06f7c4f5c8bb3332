"""The input: the picture as the network saw it."""

from __future__ import annotations

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.pictures import paint_picture
from deepvis_toolbox.drawing.shapes import clear
from deepvis_toolbox.live import actions
from deepvis_toolbox.live.keys import Binding
from deepvis_toolbox.live.panes.caption import body_of, draw_badge, draw_caption, draw_note, waiting_for
from deepvis_toolbox.live.panes.naming import class_name
from deepvis_toolbox.live.panes.pane import Pane, Slot
from deepvis_toolbox.live.scene import Scene


class InputPane(Pane):
    """The picture, and its class where a list of pictures gives one."""

    name = "input"
    slot = Slot.LEFT
    keys = (
        Binding(("f",), actions.toggle_camera_frozen, "Pictures", "freeze the picture, or let it run"),
        Binding(("c",), actions.switch_source, "Pictures", "toggle between the two inputs (camera and files)"),
        Binding(("e", "page down"), actions.next_picture, "Pictures", "next picture", "e or PgDn"),
        Binding(("w", "page up"), actions.previous_picture, "Pictures", "previous picture", "w or PgUp"),
        Binding(("0",), actions.toggle_stretch, "Pictures", "crop to a square, or stretch to it"),
    )

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the newest frame's picture, or say why there is none."""
        state, snapshot, look = scene.state, scene.snapshot, scene.look
        detail = ""
        if snapshot and snapshot.frame.label is not None and state.view.show_labels:
            detail = "label: " + class_name(state, snapshot.frame.label)
        elif state.view.camera_frozen:
            detail = "frozen"
        draw_caption(pixels, look, "input", detail)
        body = body_of(pixels, look)
        if snapshot is None or not snapshot.input_image.size:
            clear(body, look.panel)
            draw_note(body, look, waiting_for(state))
            return
        box = paint_picture(body, snapshot.input_image)
        place = body[box.top : box.bottom, box.left : box.right]
        if snapshot.request.perturbation:
            draw_badge(place, look, str(snapshot.request.perturbation), colour=look.warning)
        if state.facts.source_gone:
            draw_badge(place, look, state.facts.source_note, colour=look.warning)
