"""L2 decay: keeps a few extreme pixels from dominating the image."""

from __future__ import annotations

import torch

from deepvis_toolbox.optimize.method.parameters import Parameter
from deepvis_toolbox.optimize.method.regularizers.registry import Regularizer, register_regularizer


@register_regularizer("decay", position=1)
class Decay(Regularizer):
    """x * (1 - decay)."""

    parameters = (Parameter("decay", 0.0, "L2 decay: each step multiplies the image by 1 - this", high=1),)

    def __init__(self, decay: float) -> None:
        self.decay = decay

    def apply(self, x: torch.Tensor, gradient: torch.Tensor, step: int) -> torch.Tensor:  # noqa: ARG002
        """Do as the base class says."""
        return x.mul_(1 - self.decay)
