"""What measurements read of a pass, said before it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from deepvis_toolbox.words.backward import BackwardMode
from deepvis_toolbox.words.unit import Unit


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
    is_recorded: bool = False
    """Whether the pass is to be kept: for other backward passes, or for edited ones."""

    def __or__(self, other: Needs) -> Needs:
        is_recorded = self.is_recorded or other.is_recorded
        return Needs(self.layers | other.layers, self.gradients | other.gradients, is_recorded)
