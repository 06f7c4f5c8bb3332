"""The likeliest classes, in a strip below the input: they stay whatever is selected, and a click goes to one's unit."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from deepvis_toolbox.drawing.colours import Colour, Pixels, blend
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.shapes import clear, fill
from deepvis_toolbox.drawing.text import draw_text
from deepvis_toolbox.live import actions
from deepvis_toolbox.live.actions_where import layer_of_classes
from deepvis_toolbox.live.keys import Binding
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.caption import draw_note, missing_note
from deepvis_toolbox.live.panes.naming import class_name
from deepvis_toolbox.live.panes.pane import Hit, Pane, Slot
from deepvis_toolbox.live.panes.questions import classes_before_question, classes_question
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.measure import Probabilities
from deepvis_toolbox.measure.measurement import Question
from deepvis_toolbox.words.images import Floats
from deepvis_toolbox.words.unit import Unit

CLASSES = 5


class ClassesPane(Pane):
    """A line for each class: its name on a bar as long as its probability."""

    name = "classes"
    slot = Slot.LEFT
    fixed_height = CLASSES * 19
    says_what_is_changed = True
    keys = (
        Binding(("8",), actions.toggle_labels, "Window", "class labels on or off"),
        Binding((), lambda _: None, "Mouse", "go to the class's unit", "click a class"),
    )

    def needs(self, state: State) -> Iterable[Question[Any]]:
        """Return the question of the classes, where the network has any and they are shown."""
        wanted = (classes_question(state), classes_before_question(state)) if state.view.show_labels else ()
        return tuple(question for question in wanted if question is not None)

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the classes, or say why there are none."""
        state, look, question = scene.state, scene.look, classes_question(scene.state)
        answer = scene.answer(question)
        clear(pixels, look.panel)
        if not state.view.show_labels:
            draw_note(pixels, look, f"class labels are off; press {scene.keys.label_for(actions.toggle_labels)}")
        elif answer is None or not answer.probabilities.size:
            has_none = scene.snapshot is not None and question is None
            note = missing_note(scene, question)
            draw_note(pixels, look, _no_classes(state) if has_none else note)
        else:
            now, before = _finite(answer), _before(scene)
            for place, index in enumerate(_shown(answer, before, _rows(pixels.shape[0], look))):
                top, bottom = _row(pixels.shape[0], place, look)
                line = _Class(shown_class_name(state, index), now[index], None if before is None else before[index])
                _draw_class(pixels[top:bottom], line, index == answer.best(1)[0], look)

    def hit(self, height: int, width: int, scene: Scene, x: int, y: int) -> Hit:  # noqa: ARG002
        """Answer the mouse: a click goes to the unit of the class under the mouse."""
        answer, view, facts = scene.answer(classes_question(scene.state)), scene.state.view, scene.state.facts
        are_own = view.networks != "B" or (facts.other is not None and facts.other.classes_agree)
        if answer is None or not (view.show_labels and facts.label_layers and are_own):
            return Hit()
        shown = _shown(answer, _before(scene), _rows(height, scene.look))
        found = [
            index
            for place, index in enumerate(shown)
            if _row(height, place, scene.look)[0] <= y < _row(height, place, scene.look)[1]
        ]
        if not found:
            return Hit()
        unit = Unit(facts.label_layers[0], found[0])
        return Hit(unit, partial(actions.go_to, unit=unit))


def _no_classes(state: State) -> str:
    if layer_of_classes(state) is not None:
        return "its classes are maps: y lays them over the input"
    return "this network has no label layer"


class _Class(NamedTuple):
    """What a line says."""

    name: str
    now: float
    before: float | None
    """The probability without edits and perturbations; None where there are none."""


def shown_class_name(state: State, index: int) -> str:
    """Return the name of a class of the network whose classes are shown."""
    other = state.facts.other
    if other is None or state.view.networks != "B":
        return class_name(state, index)
    return other.labels[index] if index < len(other.labels) else f"class {index}"


def _finite(answer: Probabilities) -> Floats:
    return np.nan_to_num(answer.probabilities, posinf=0.0, neginf=0.0).clip(0, 1)


def _before(scene: Scene) -> Floats | None:
    """Return the probabilities without what is changed; None where nothing is, or they have not come."""
    answer = scene.answer(classes_before_question(scene.state))
    return None if answer is None else _finite(answer)


def _shown(answer: Probabilities, before: Floats | None, count: int) -> list[int]:
    """Return the likeliest classes' numbers; of changed ones those that are or were the likeliest."""
    if before is None or before.shape != answer.probabilities.shape:
        return answer.best(count)
    return Probabilities(np.maximum(before, _finite(answer))).best(count)


def _rows(height: int, look: Look) -> int:
    """Return how many classes a strip of this height shows: as many as stand apart."""
    return max(1, min(CLASSES, height // (look.font.capital_height + look.px(6))))


def _row(height: int, place: int, look: Look) -> tuple[int, int]:
    """Return top and bottom of a class's line."""
    rows = _rows(height, look)
    return place * height // rows, (place + 1) * height // rows


def _draw_class(pixels: Pixels, line: _Class, is_first: bool, look: Look) -> None:
    """Draw a bar as long as the probability now, and where that was another one, a mark at that."""
    height, width = pixels.shape[:2]
    is_changed = line.before is not None
    pad, gap = look.px(6), look.px(1)
    colour: Colour = blend(look.panel, look.accent if is_first else look.dim, 0.4)
    fill(pixels, Box(0, 0, max(0, height - gap), round(width * line.now)), colour)
    if line.before is not None:
        mark = round((width - look.px(2)) * line.before)
        fill(pixels, Box(0, mark, max(0, height - gap), mark + look.px(2)), look.warning)
    baseline = (height - gap + look.font.capital_height) // 2
    number_width = look.px(96 if is_changed else 48) if width >= look.px(150) else 0  # names come first
    text = look.text if is_first else blend(look.dim, look.text, 0.5)
    draw_text(pixels, line.name, pad, baseline, look.font, text, width=max(0, width - 2 * pad - number_width))
    if number_width:
        number = f"{100 * line.now:.1f} %"
        if line.before is not None:
            number = f"{100 * line.before:.1f} → {number}"
        draw_text(pixels, number, width - pad, baseline, look.small, text, "right")
