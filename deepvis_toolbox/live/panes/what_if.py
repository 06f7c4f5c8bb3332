"""The what-if bench: what is edited and perturbed just now, and the keys that do it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.shapes import clear
from deepvis_toolbox.drawing.text import draw_text
from deepvis_toolbox.live import actions
from deepvis_toolbox.live import actions_what_if as bench
from deepvis_toolbox.live.keys import Action, Binding
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.caption import body_box, body_of, draw_caption
from deepvis_toolbox.live.panes.pane import Hit, Pane, Slot
from deepvis_toolbox.live.panes.questions import changed_layers_question
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure.measurement import Question
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.unit import Unit

LINES = 5


def _steps(name: str, text: str, scale: float = 1.0, sign: str = "") -> str:
    amounts = ", ".join(f"{scale * step:{sign}g}" for step in bench.PERTURBATION_STEPS[name] if step)
    return f"{text}: {amounts}, off"


def _edit(key: str, action: Action, text: str) -> Binding:
    return Binding((key,), action, "What if", text, while_held=True)


class WhatIfPane(Pane):
    """A line for each edit, and one for the picture; there only while something is changed."""

    name = "what if"
    slot = Slot.LIST
    fixed_height = 26 + 10 + (LINES + 1) * 18
    says_what_is_changed = True
    keys = (
        _edit("x", bench.toggle_off, "selected unit off, until pressed again (or while held)"),
        _edit("X", bench.toggle_double, "selected unit twice as strong, likewise"),
        _edit("V", bench.toggle_pasted, "selected unit's map stays as it is now, likewise"),
        Binding(("space",), bench.toggle_mark, "What if", "mark the unit: edits are of all marked; again: forget it"),
        Binding(("A",), bench.toggle_changes, "What if", "tiles: what changes (less blue, more orange)"),
        Binding(("1",), partial(bench.perturb_more, name="noise"), "What if", _steps("noise", "noise, grey levels")),
        Binding(("2",), partial(bench.perturb_more, name="blur"), "What if", _steps("blur", "blur, pixels")),
        Binding(
            ("3",),
            partial(bench.perturb_more, name="brightness"),
            "What if",
            _steps("brightness", "brightness, grey levels", sign="+"),
        ),
        Binding(
            ("4",), partial(bench.perturb_more, name="shift"), "What if", _steps("shift", "shift, % of the width", 100)
        ),
        Binding(("7",), bench.toggle_grey, "What if", "paint the marked region grey; 1 to 3 act there alone, too"),
        Binding(("C",), bench.clear_changes, "What if", "take back all edits and perturbations"),
    )

    def is_shown(self, state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG002
        """Return whether anything is changed."""
        return state.view.is_changed and state.layer is not None

    def needs(self, state: State) -> Iterable[Question[Any]]:
        """Return how much each layer changes, which the layer list shows."""
        question = changed_layers_question(state)
        return () if question is None else (question,)

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw what is changed, the newest edit first, and the key that takes all of it back."""
        look = scene.look
        back = f"{scene.keys.label_for(bench.clear_changes)}: all back"
        draw_caption(pixels, look, "what if", back, active=False)
        body = body_of(pixels, look)
        clear(body, look.panel)
        pad, row = look.px(5), look.px(18)
        for number, (text, _) in enumerate(_lines(scene.state)):
            baseline = pad + number * row + (row + look.font.capital_height) // 2
            width = max(0, body.shape[1] - 2 * look.px(10))
            draw_text(body, text, look.px(10), baseline, look.font, look.text, width=width, elide="start")

    def hit(self, height: int, width: int, scene: Scene, x: int, y: int) -> Hit:  # noqa: ARG002
        """Answer the mouse: a click goes to the edited unit."""
        edit = edit_at(height, scene.look, scene.state, y)
        if edit is None:
            return Hit()
        unit = Unit(edit.layer, edit.units[0])
        return Hit(unit, partial(actions.go_to, unit=unit))


def edit_at(height: int, look: Look, state: State, y: int) -> Edit | None:
    """Return the edit whose line is in row `y` of a pane of this height; None where there is none."""
    number = (y - body_box(height, 0, look).top - look.px(5)) // look.px(18)
    lines = _lines(state)
    return lines[number][1] if 0 <= number < len(lines) else None


def _lines(state: State) -> list[tuple[str, Edit | None]]:
    """Return what the pane says, a line for each, with the edit that it is about."""
    view = state.view
    edits = list(reversed(view.edits))
    shown = edits if len(edits) <= LINES else edits[: LINES - 1]
    lines: list[tuple[str, Edit | None]] = [(str(edit), edit) for edit in shown]
    if len(shown) < len(edits):
        lines.append((f"and {len(edits) - len(shown)} more", None))
    return [(str(view.perturbation), None), *lines] if view.perturbation else lines
