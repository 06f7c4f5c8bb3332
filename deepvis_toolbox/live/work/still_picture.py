"""What is found out of a picture that stands still, step by step, each time it is processed again."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.measure.measurement import Question
from deepvis_toolbox.measure.occlusion import Occluder, Occlusion, OcclusionMap
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.words.images import Frame

MOVING = "the picture moves; freeze it (f), and the map fills"


class OcclusionKeeper:
    """Keeps the squares tried so far; another picture, unit or edit begins anew."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._occluder: Occluder | None = None
        self._of: tuple[object, ...] = ()
        self._image: Frame | None = None

    @property
    def is_unfinished(self) -> bool:
        """Whether the same picture, processed again, would tell more."""
        return self._occluder is not None and not self._occluder.is_finished

    def follow(self, request: Request, image: Frame, is_still: bool) -> dict[Question[Any], Occlusion]:
        """Try a few squares more of what the request asks, and return what is known. `image`: what the network is
        given, H×W×bands; it counts as still, too, where it is the last one again."""
        question = next((one for one in request.questions if isinstance(one, OcclusionMap)), None)
        occluder, self._occluder = self._occluder, None  # what fails is not tried again by itself
        if question is None:
            self._image = None
            return {}
        again = self._image is not None and np.array_equal(self._image, image)
        self._image = image
        if not (is_still or again):
            return {question: Occlusion(np.full((1, 1), np.nan, np.float32), 0.0, 0.0, MOVING)}
        of = (question, request.edits)
        try:
            if occluder is None or not again or of != self._of:
                occluder = Occluder(self._network, question, image, request.edits)
            occluder.advance()
        except ToolboxError as refusal:
            return {question: Occlusion(np.full((1, 1), np.nan, np.float32), 0.0, 1.0, str(refusal))}
        self._occluder, self._of = occluder, of
        return {question: occluder.answer()}
