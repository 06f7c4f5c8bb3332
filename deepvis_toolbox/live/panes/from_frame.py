"""The picture that grows from a frame: what the unit would like more of in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.pictures import paint_picture
from deepvis_toolbox.drawing.shapes import clear
from deepvis_toolbox.drawing.text import draw_text
from deepvis_toolbox.live import actions_why
from deepvis_toolbox.live.keys import Binding
from deepvis_toolbox.live.panes.caption import body_of, draw_caption, draw_note, missing_note
from deepvis_toolbox.live.panes.naming import number_text
from deepvis_toolbox.live.panes.pane import Pane, Slot
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.accentuation import GrownFromFrame
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure.measurement import Question


class FromFramePane(Pane):
    """The picture, and below it how far it is."""

    name = "from this frame"
    slot = Slot.RIGHT
    keys = (
        Binding(("G",), actions_why.toggle_from_frame, "Why", "grow what the unit would like more of in this picture"),
    )

    def is_shown(self, state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG002
        """Return whether a key asked for it."""
        return state.view.from_frame is not None

    def needs(self, state: State) -> Iterable[Question[Any]]:
        """Return the picture that grows."""
        return () if state.view.from_frame is None else (GrownFromFrame(state.view.from_frame),)

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw it, or say why there is none."""
        look, unit = scene.look, scene.state.view.from_frame
        draw_caption(pixels, look, "from this frame", str(unit or ""))
        body = body_of(pixels, look)
        clear(body, look.panel)
        question = None if unit is None else GrownFromFrame(unit)
        answer = scene.answer(question)
        if answer is None or isinstance(answer, str):
            draw_note(body, look, answer or missing_note(scene, question))
            return
        if answer.image is None:
            draw_note(body, look, "it grows while the picture stands still; freeze it (f)")
            return
        box = paint_picture(body, answer.image)
        lines = (
            answer.note or (f"step {answer.step} of {answer.steps}"),
            f"the unit: {number_text(answer.first)} → {number_text(answer.now)}",
        )
        for number, text in enumerate(lines):
            baseline = box.bottom + look.px(6) + look.small.ascent + number * look.small.line_height
            draw_text(
                body, text, look.px(6), baseline, look.small, look.text, width=max(0, body.shape[1] - look.px(12))
            )
