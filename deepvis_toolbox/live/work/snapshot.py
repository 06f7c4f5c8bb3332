"""Everything the window needs about one processed frame; immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.measure.measurement import Answer, Question
from deepvis_toolbox.sources.frame import FrameInfo
from deepvis_toolbox.words.images import Frame, RGBImage


@dataclass(frozen=True)
class Snapshot:
    """One frame's answers, copied to the CPU; arrays are never written to again."""

    request: Request
    """The request that this answers."""
    frame: FrameInfo
    input_image: RGBImage
    """RGB uint8 H×W×3: the picture as the network saw it."""
    answers: Mapping[Question[Any], Any] = field(default_factory=dict)
    """To the request's questions; empty where something went wrong."""
    refusals: Mapping[Question[Any], str] = field(default_factory=dict)
    """Of the questions that this network or picture has no answer to, why."""
    computed_by: Any = None
    """A weak reference to the network; None where nothing was computed."""
    bands: Frame | None = None
    """What the network was given, H×W×bands, where that is more than the picture."""
    error: str = ""
    """What went wrong with this frame; empty when nothing did."""
    network_rate: float = 0.0
    """Frames a second through the network."""
    list_rate: float = 0.0
    """Answers a second to the questions that are asked more seldom than frames come (`Measurement.may_lag`), since they
    cost much; 0 where they are asked of every frame."""
    pictures: Mapping[Question[Any], RGBImage] = field(default_factory=dict)
    """Of the answers that are a former frame's, since they are asked of every k-th one: the picture that they are of,
    as `input_image`."""
    every: int = 1
    """The k of those that are asked so (`Measurement.belongs_to_picture`); 1: every frame."""
    source_rate: float = 0.0
    dropped_frames: int = 0
    device: str = ""
    timings: dict[str, float] = field(default_factory=dict)
    """Milliseconds of each step of the worker, for the debug display."""

    def answer(self, question: Question[Answer]) -> Answer | None:
        """Return the answer to exactly this question; None where it is none of this snapshot's."""
        found: Answer | None = self.answers.get(question)
        return found

    def picture_of(self, question: Question[Any] | None) -> RGBImage:
        """Return the picture that the answer to a question is of, RGB uint8 H×W×3: this frame's, or a former one's."""
        return self.input_image if question is None else self.pictures.get(question, self.input_image)

    def newest(self, wanted: Question[Any] | None, kinds: tuple[type, ...]) -> tuple[Any, Any] | None:
        """Return (question, answer) of the wanted question; before it has come, of another one of these kinds."""
        if wanted is not None and wanted in self.answers:
            return wanted, self.answers[wanted]
        return next(((asked, found) for asked, found in self.answers.items() if isinstance(asked, kinds)), None)
