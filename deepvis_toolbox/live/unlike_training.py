"""Notices pictures that spread the first layer's values many times as widely as those of the training did, or hardly:
mostly, their pixels are prepared on another scale."""

from __future__ import annotations

from statistics import median

from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import Question, SpreadInTraining, TrainedSpread

PICTURES = 4
"""So many pictures, or frames, are looked at."""
WIDE, NARROW = 12.0, 0.1
"""From which factors on pixels are on another scale: of the unit in the middle, and of the one that varies most."""
FAINT = 15.0
"""Pictures of a smaller deviation, in pixels of 0 to 255, say nothing: a dark one spreads nothing, however it is
prepared."""


class UnlikeTraining:
    """Looks at the first layer with a batch norm on the first pictures that are not faint, and then never again."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], TrainedSpread] = {}
        self._is_done = False

    def questions(self, state: State) -> frozenset[Question[TrainedSpread]]:
        """Return what the window is to ask for it; nothing any more once it is known."""
        is_over = self._is_done or state.facts.is_training or not state.facts.layers
        return frozenset() if is_over else frozenset({SpreadInTraining()})

    def follow(self, state: State, snapshot: Snapshot) -> str:
        """Return what to tell people with the last of the pictures, if they are on another scale; empty else."""
        answer = snapshot.answer(SpreadInTraining())
        is_changed = bool(snapshot.request.edits or snapshot.request.perturbation)
        if self._is_done or answer is None or is_changed or state.facts.is_training:
            return ""
        if not answer.layer:
            self._is_done = True
            return ""
        if answer.contrast >= FAINT:
            frame = snapshot.frame
            self._found[frame.source, 0 if frame.is_still else frame.number] = answer
        if len(self._found) < PICTURES:
            return ""
        self._is_done = True
        found = self._found.values()
        usual, largest = min(each.usual for each in found), max(each.largest for each in found)
        if usual < WIDE and largest > NARROW:
            return ""
        factor = median(each.usual for each in found)
        how = f"{factor:.0f} times as much as" if factor > 1 else f"a {1 / max(factor, 1e-6):.0f}th of what it did"
        return f"{answer.layer} varies {how} in training; if that is wrong, try another --mean, --std or --scale"
