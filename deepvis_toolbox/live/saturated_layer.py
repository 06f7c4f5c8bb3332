"""Notices a network whose first layer is saturated: nearly all of it is off, or as large as it can be."""

from __future__ import annotations

from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import AtTheEnds, Ends, Question
from deepvis_toolbox.words.layer import Layer

PICTURES = 4
"""So many pictures, or frames, are looked at."""
CUT_OFF, OFF = 0.9, 0.97
"""The mean share of values at the ends from which on a layer is saturated: one that is cut off above too, and one that
is not."""
_IS_CUT_OFF = 0.02
"""The share at the largest value from which on there are more than the few that happen to be it."""
_SQUASHING = frozenset({"sigmoid", "tanh"})


class SaturatedLayer:
    """Looks at the first layer that rectifies or squashes, on the first pictures, and then never again."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], Ends] = {}

    def questions(self, state: State) -> frozenset[Question[Ends]]:
        """Return what the window is to ask about the layer; nothing any more once it is known."""
        question = self._question(state)
        return frozenset() if question is None else frozenset({question})

    def follow(self, state: State, snapshot: Snapshot) -> str:
        """Return what to tell people with the last of the pictures, if the layer is saturated; empty else."""
        question = self._question(state)
        ends = snapshot.answer(question) if question else None
        is_changed = bool(snapshot.request.edits or snapshot.request.perturbation)
        if question is None or ends is None or is_changed:
            return ""
        frame = snapshot.frame
        self._found[frame.source, 0 if frame.is_still else frame.number] = ends
        if len(self._found) < PICTURES:
            return ""
        share = sum(each.both for each in self._found.values()) / PICTURES
        high = sum(each.high for each in self._found.values()) / PICTURES
        if share < (CUT_OFF if high > _IS_CUT_OFF else OFF):
            return ""
        where = "off, or as large as it can be" if high > _IS_CUT_OFF else "off"
        return f"{share:.0%} of {question.layer} is {where}; if that is wrong, try another --mean, --std or --scale"

    def _question(self, state: State) -> AtTheEnds | None:
        if len(self._found) == PICTURES or state.facts.is_training:
            return None
        first = next((layer for layer in state.facts.layers if _squashes(layer)), None)
        return AtTheEnds(first.name) if first else None


def _squashes(layer: Layer) -> bool:
    return bool(layer.rectifier) or layer.kind in _SQUASHING
