"""What panes that list units share: a line for each, its address and its score; a click goes there."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.shapes import clear
from deepvis_toolbox.drawing.text import draw_text
from deepvis_toolbox.live import actions
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.caption import body_box, body_of, draw_caption, draw_note, missing_note, with_rate
from deepvis_toolbox.live.panes.pane import Hit, Pane, Slot
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import UnitsByScore
from deepvis_toolbox.measure.measurement import Question
from deepvis_toolbox.words.unit import Unit

BEST = 10


class UnitListPane(Pane):
    """Ten units of any layers; below the layer list while they are asked for."""

    slot = Slot.LIST
    fixed_height = 26 + BEST * 20 + 10
    title: ClassVar[str]

    @abstractmethod
    def question(self, state: State) -> Question[UnitsByScore] | None:
        """Return what is listed; None where nothing is."""

    def is_shown(self, state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG002
        """Return whether anything is listed."""
        return self.question(state) is not None

    def needs(self, state: State) -> Iterable[Question[Any]]:
        """Return the question of the units."""
        question = self.question(state)
        return () if question is None else (question,)

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the units, or say why there are none."""
        look, question = scene.look, self.question(scene.state)
        answer = scene.answer(question)
        of_how_many = f"{answer.note} · " if answer and answer.units and answer.note else ""
        draw_caption(pixels, look, self.title, with_rate(f"{of_how_many}score", scene))
        body = body_of(pixels, look)
        clear(body, look.panel)
        if answer is None or not answer.units:
            draw_note(body, look, answer.note if answer else missing_note(scene, question))
            return
        for place, (unit, score) in enumerate(zip(answer.units, answer.scores, strict=True)):
            top, row = _top(place, look), look.px(look.row)
            _draw_row(body[top : top + row], unit, float(score), unit == scene.state.selected, look)

    def hit(self, height: int, width: int, scene: Scene, x: int, y: int) -> Hit:  # noqa: ARG002
        """Answer the mouse: a click goes to the unit under it."""
        answer = scene.answer(self.question(scene.state))
        below, row = y - body_box(height, width, scene.look).top, scene.look.px(scene.look.row)
        for place, unit in enumerate(answer.units if answer else ()):
            top = _top(place, scene.look)
            if isinstance(unit, Unit) and top <= below < top + row:
                return Hit(unit, partial(actions.go_to, unit=unit))
        return Hit()


def _top(place: int, look: Look) -> int:
    return look.px(5) + place * look.px(look.row)


def _draw_row(pixels: Pixels, unit: object, score: float, is_selected: bool, look: Look) -> None:
    if not pixels.size:
        return
    height, width = pixels.shape[:2]
    if is_selected:
        clear(pixels, look.line)
    baseline, right = (height + look.font.capital_height) // 2, width - look.px(10)
    right -= draw_text(pixels, f"{score:.2f}", right, baseline, look.small, look.dim, "right") + look.px(8)
    colour = look.accent if is_selected else look.text
    draw_text(pixels, str(unit), look.px(10), baseline, look.font, colour, width=right - look.px(10), elide="start")
