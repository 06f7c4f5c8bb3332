"""Total variation: favours pictures of even areas with sharp edges between them (Mahendran & Vedaldi 2014)."""

from __future__ import annotations

import torch

from deepvis_toolbox.optimize.method.parameters import Parameter
from deepvis_toolbox.optimize.method.regularizers.registry import Regularizer, register_regularizer

SMOOTHING = 1.0
"""Pixel values; differences well below it count as even, which keeps the derivative finite."""


@register_regularizer("total variation", position=7)
class TotalVariation(Regularizer):
    """A step of size `weight` down the total variation: the sum of sqrt(dx² + dy² + 1) over the pixels of a channel.

    dx and dy are the differences to the next pixel, 0 at the last one.
    """

    parameters = (Parameter("tv", 0.0, "total variation: pixel values a step towards the neighbours", high=255),)

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def apply(self, x: torch.Tensor, gradient: torch.Tensor, step: int) -> torch.Tensor:  # noqa: ARG002
        """Do as the base class says."""
        down, right = torch.zeros_like(x), torch.zeros_like(x)
        down[..., :-1, :] = x.diff(dim=-2)
        right[..., :-1] = x.diff(dim=-1)
        length = (down.square() + right.square() + SMOOTHING**2).sqrt_()
        down.div_(length)
        right.div_(length)
        x.add_(down, alpha=self.weight).add_(right, alpha=self.weight)
        x[..., 1:, :].sub_(down[..., :-1, :], alpha=self.weight)
        x[..., 1:].sub_(right[..., :-1], alpha=self.weight)
        return x
