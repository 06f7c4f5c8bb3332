"""Answers of a former frame, for those that wait while frames go on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from deepvis_toolbox.measure.measurement import Measurement
from deepvis_toolbox.words.images import RGBImage

if TYPE_CHECKING:
    from deepvis_toolbox.measure.session import Taken


class HeldAnswers:
    """What was taken of some measurements the last time, refusals too."""

    def __init__(self) -> None:
        self._answers: dict[Measurement[Any], Any] = {}
        self._refused: dict[Measurement[Any], Any] = {}
        self._image: RGBImage | None = None

    def __bool__(self) -> bool:
        """Return whether anything is held."""
        return bool(self._answers or self._refused)

    @property
    def pictures(self) -> dict[Measurement[Any], RGBImage]:
        """The picture that each answer is of, RGB uint8 H×W×3."""
        return {} if self._image is None else dict.fromkeys(self._answers, self._image)

    def forget(self) -> None:
        """Hold nothing."""
        self._answers, self._refused, self._image = {}, {}, None

    def hold(self, measurements: Iterable[Measurement[Any]], taken: Taken) -> None:
        """Hold what was taken of these."""
        chosen = frozenset(measurements)
        self._answers = {one: taken.answers[one] for one in chosen if one in taken.answers}
        self._refused = {one: taken.refused[one] for one in chosen if one in taken.refused}
        self._image = taken.image

    def add_to(self, taken: Taken) -> None:
        """Add what is held to what was taken of another frame."""
        taken.answers.update(self._answers)
        taken.refused.update(self._refused)
