"""A question that may not fit the layer: its answer, or the sentence that says why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.measure.measurement import Answer, Measurement
from deepvis_toolbox.measure.needs import Needs

if TYPE_CHECKING:
    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network


@dataclass(frozen=True, eq=False)
class Possible(Generic[Answer]):
    """What came of a question that may not fit."""

    answer: Answer | None
    why_not: str = ""
    """A sentence, where there is no answer."""


@dataclass(frozen=True)
class IfPossible(Measurement[Possible[Any]]):
    """What is the answer, where the layer has one? The other answers of the picture do not fail with this one."""

    asked: Measurement[Any]

    def needs(self, network: Network) -> Needs:
        """Return what the question needs; nothing where it does not fit."""
        try:
            return self.asked.needs(network)
        except ToolboxError:
            return Needs()

    def take(self, passes: Pass) -> Possible[Any]:
        """Answer with the answer, or with why there is none."""
        try:
            return Possible(self.asked.take(passes))
        except ToolboxError as problem:
            return Possible(None, str(problem))
