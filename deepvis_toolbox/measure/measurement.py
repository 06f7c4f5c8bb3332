"""What a measurement is: a question about an image, as plain data, and the function that answers it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from deepvis_toolbox.words.backward import BackwardMode
from deepvis_toolbox.words.unit import Unit

if TYPE_CHECKING:
    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network

Answer = TypeVar("Answer")


class Question(Generic[Answer]):
    """What may be asked: a frozen dataclass, so that equal questions are one. Its answer is plain data on the CPU."""


class GradientNeed(NamedTuple):
    """What a backward pass brings to a layer: it starts at `origin` with that unit's own activation map."""

    origin: Unit
    mode: BackwardMode
    at: str
    """The layer where it arrives."""


@dataclass(frozen=True)
class Needs:
    """What measurements read of a pass, said beforehand, so that one pass over the network serves them all."""

    layers: frozenset[str] = frozenset()
    """Layers whose activations are read."""
    gradients: frozenset[GradientNeed] = frozenset()

    def __or__(self, other: Needs) -> Needs:
        return Needs(self.layers | other.layers, self.gradients | other.gradients)


class Measurement(Question[Answer], ABC):
    """A question that one pass over an image answers. Subclasses are frozen dataclasses.

    It knows no window, no colours and no files.
    """

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return what `take` will read. What is left out is computed all the same, but in a pass of its own."""
        return Needs()

    @abstractmethod
    def take(self, passes: Pass) -> Answer:
        """Answer the question. Arrays in the answer are on the CPU and are not written to again."""
