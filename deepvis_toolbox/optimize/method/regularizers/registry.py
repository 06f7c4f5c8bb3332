"""What a regularizer is, and the list of them in the order in which one step applies them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import torch

if TYPE_CHECKING:
    from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings


class Regularizer(ABC):
    """r_theta of the method: changes the images of a batch after a step. It knows nothing of the network."""

    name: ClassVar[str]
    position: ClassVar[int]

    @classmethod
    @abstractmethod
    def from_settings(cls, settings: AscentSettings) -> Regularizer | None:
        """The regularizer with its parameters, or None where the settings leave it off."""

    @abstractmethod
    def apply(self, x: torch.Tensor, gradient: torch.Tensor, step: int) -> torch.Tensor:
        """The changed images: `x` (N, C, H, W), zero-centred pixels, which may be overwritten.

        `gradient` (N, C, H, W): this step's, in pixel units, in the direction of the ascent. `step` counts from 0.
        """


REGULARIZERS: dict[str, type[Regularizer]] = {}


def register_regularizer(name: str, position: int) -> Callable[[type[Regularizer]], type[Regularizer]]:
    """Makes a regularizer known; those with a smaller `position` are applied first."""

    def enter(regularizer: type[Regularizer]) -> type[Regularizer]:
        regularizer.name, regularizer.position = name, position
        REGULARIZERS[name] = regularizer
        return regularizer

    return enter


def active(settings: AscentSettings) -> list[Regularizer]:
    """The regularizers that the settings switch on, in the order of one step."""
    in_order = sorted(REGULARIZERS.values(), key=lambda regularizer: regularizer.position)
    made = (regularizer.from_settings(settings) for regularizer in in_order)
    return [regularizer for regularizer in made if regularizer is not None]
