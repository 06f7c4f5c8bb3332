"""A preferred image that starts from the frame that stands still, a step each time the frame is processed again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.measure.measurement import Question
from deepvis_toolbox.words.unit import Unit

if TYPE_CHECKING:
    from deepvis_toolbox.live.work.request import Request
    from deepvis_toolbox.network.interface import Network
    from deepvis_toolbox.pipeline.from_frame import Accentuation, FromFrame
    from deepvis_toolbox.words.images import Frame


@dataclass(frozen=True)
class GrownFromFrame(Question["Accentuation | str"]):
    """What would the unit like more of in this frame? A sentence where nothing can be grown."""

    unit: Unit


class AccentuationKeeper:
    """Keeps the picture that grows; it goes on from the frame on which it was asked for, whatever comes after."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._question: GrownFromFrame | None = None
        self._climb: FromFrame | None = None

    @property
    def is_unfinished(self) -> bool:
        """Whether there are steps left."""
        return self._climb is not None and not self._climb.is_finished

    def follow(self, request: Request, image: Frame, is_still: bool) -> dict[Question[Any], Accentuation | str]:
        """Take a step where nothing moves, and return how far the picture is, where the request asks for it."""
        question = next((one for one in request.questions if isinstance(one, GrownFromFrame)), None)
        climb, self._climb = self._climb, None  # what fails is not tried again by itself
        if question is None:
            self._question = None
            return {}
        try:
            if question != self._question or climb is None:
                from deepvis_toolbox.pipeline.from_frame import FromFrame  # not before somebody asks

                if question == self._question:
                    return {question: "it could not be grown: see the log"}
                self._question, climb = question, FromFrame(self._network, question.unit, image)
            if is_still:
                climb.advance()
        except ToolboxError as refusal:
            self._question = None
            return {question: str(refusal)}
        self._climb = climb
        return {question: climb.answer()}
