"""Notices a network that calls nearly every picture the same: often, its pictures are not prepared as in training."""

from __future__ import annotations

from collections import Counter

from deepvis_toolbox.live.panes.naming import class_name
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import ClassProbabilities

PICTURES, ALIKE = 8, 6
"""Of so many pictures that stand still, so many are called the same."""
FEWEST_CLASSES = 10
"""Of few classes, all pictures may well be of one."""


class SameAnswer:
    """Looks at the likeliest class of the first pictures, and then never again."""

    def __init__(self) -> None:
        self._classes: dict[str, int] = {}

    def follow(self, state: State, snapshot: Snapshot) -> str:
        """Return what to tell people with the last of the pictures, if nearly all are called the same; empty else."""
        answer, frame = snapshot.answer(ClassProbabilities()), snapshot.frame
        is_changed = bool(snapshot.request.edits or snapshot.request.perturbation)
        if answer is None or is_changed or not frame.is_still or state.facts.is_training:
            return ""
        if len(self._classes) == PICTURES or len(answer.probabilities) < FEWEST_CLASSES:
            return ""
        self._classes[frame.source] = answer.best(1)[0]
        best, count = Counter(self._classes.values()).most_common(1)[0]
        if len(self._classes) < PICTURES or count < ALIKE:
            return ""
        how_many = f"{count} of {PICTURES}" if count < PICTURES else f"all {PICTURES}"
        name = class_name(state, best)
        return f'{how_many} pictures are called "{name}"; if that is wrong, try another --mean, --scale or --channels'
