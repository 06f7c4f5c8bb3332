"""What panes draw from: the state, the worker's answers, how the window looks. They read it and change none of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from deepvis_toolbox.live.kept import Kept
from deepvis_toolbox.live.keys import KeyTable
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure.measurement import Answer, Question


@dataclass(frozen=True)
class Scene:
    """One moment of the window."""

    state: State
    snapshot: Snapshot | None
    """The newest answers; they can lag behind what the state asks for. None before the first frame."""
    look: Look
    keys: KeyTable
    kept: Kept = field(default_factory=Kept)
    now: float = 0.0
    """Seconds, of a clock that only goes forward; without a window, of the frames."""

    def answer(self, question: Question[Answer] | None) -> Answer | None:
        """Return the newest frame's answer to exactly this question; None where it has not come yet."""
        return self.snapshot.answer(question) if self.snapshot and question is not None else None
