"""What a measurement is: a question about an image, as plain data, and the function that answers it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from deepvis_toolbox.measure.needs import Needs

if TYPE_CHECKING:
    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network

Answer = TypeVar("Answer")


class Question(Generic[Answer]):
    """What may be asked: a frozen dataclass, so that equal questions are one. Its answer is plain data on the CPU."""


class Measurement(Question[Answer], ABC):
    """A question that one pass over an image answers. Subclasses are frozen dataclasses.

    It knows no window, no colours and no files.
    """

    compares: ClassVar[bool] = False
    """Whether it sets two passes against each other, or says itself which one it is asked of."""
    may_lag: ClassVar[bool] = False
    """Whether a live view may take it more seldom than it shows frames: a list or bars that a person reads, not what
    belongs to one picture's places. It does so where it costs much."""

    belongs_to_picture: ClassVar[bool] = False
    """Whether it is a picture of the picture that it was taken of. Where it costs more than a forward pass, a live view
    takes it of every k-th frame, and lays it over that one's picture alone."""

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return what `take` will read. What is left out is computed all the same, but in a pass of its own."""
        return Needs()

    def plan(self, passes: Pass) -> Iterable[tuple[Pass, Needs]]:
        """Return each pass that `take` reads, with what it reads of it."""
        return ((passes, self.needs(passes.network)),)

    @abstractmethod
    def take(self, passes: Pass) -> Answer:
        """Answer the question. Arrays in the answer are on the CPU and are not written to again."""
