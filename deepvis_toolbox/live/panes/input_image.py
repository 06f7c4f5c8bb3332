"""The input: the picture as the network saw it."""

from __future__ import annotations

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.pictures import paint_picture
from deepvis_toolbox.drawing.shapes import clear
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.caption import body_of, draw_caption, draw_note, waiting_for
from deepvis_toolbox.live.panes.naming import class_name
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot


def draw(pixels: Pixels, state: State, snapshot: Snapshot | None, look: Look) -> None:
    """The picture, and its class where a list of pictures gives one."""
    detail = ""
    if snapshot and snapshot.frame.label is not None and state.show_labels:
        detail = "label: " + class_name(state, snapshot.frame.label)
    elif state.camera_frozen:
        detail = "frozen"
    draw_caption(pixels, look, "input", detail)
    body = body_of(pixels, look)
    if snapshot is None or not snapshot.input_image.size:
        clear(body, look.panel)
        draw_note(body, look, waiting_for(state))
        return
    paint_picture(body, snapshot.input_image)
