"""What the page writes beside the picture, for those who copy it or have it read to them."""

from __future__ import annotations

from typing import Any

from deepvis_toolbox.live.panes.classes import shown_class_name
from deepvis_toolbox.live.panes.naming import unit_name
from deepvis_toolbox.live.panes.questions import classes_question
from deepvis_toolbox.live.panes.status_line import status_values
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot

CLASSES = 5


def told(state: State, snapshot: Snapshot | None) -> dict[str, Any]:
    """Return the unit, its name, the message, what went wrong, and whether keys are typed into an entry."""
    name = unit_name(state, state.layer.name, state.view.unit) if state.layer else ""
    return {
        "unit": state.address,
        "name": name,
        "message": state.facts.message or state.facts.loading,
        "error": state.facts.error or (snapshot.error if snapshot else ""),
        "typing": state.view.entry is not None,
    }


def told_slowly(state: State, snapshot: Snapshot | None) -> dict[str, Any]:
    """Return what changes with every frame: the status line, and the likeliest classes with their shares in percent."""
    question = classes_question(state)
    answer = snapshot.answer(question) if snapshot and question else None
    classes: list[tuple[str, str]] = []
    if answer is not None and answer.probabilities.size:
        shares = 100 * answer.probabilities
        classes = [(shown_class_name(state, index), f"{shares[index]:.1f} %") for index in answer.best(CLASSES)]
    return {"status": status_values(state, snapshot), "classes": classes}
