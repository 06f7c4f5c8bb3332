"""L2 decay: keeps a few extreme pixels from dominating the image."""

from __future__ import annotations

import torch

from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.regularizers.registry import Regularizer, register_regularizer


@register_regularizer("decay", position=1)
class Decay(Regularizer):
    """x * (1 - decay)."""

    def __init__(self, decay: float) -> None:
        self.decay = decay

    @classmethod
    def from_settings(cls, settings: AscentSettings) -> Decay | None:
        """On where `decay` is above 0."""
        return cls(settings.decay) if settings.decay > 0 else None

    def apply(self, x: torch.Tensor, gradient: torch.Tensor, step: int) -> torch.Tensor:  # noqa: ARG002
        """As the base class says."""
        return x.mul_(1 - self.decay)
