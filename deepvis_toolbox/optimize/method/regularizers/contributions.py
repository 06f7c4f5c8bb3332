"""Clipping of pixels with small contribution: those whose loss would hurt the objective least become the mean.

A pixel's contribution b = sum over channels of -gradient * x is a linear estimate of a(x without the pixel) - a(x).
"""

from __future__ import annotations

import torch

from deepvis_toolbox.optimize.method.parameters import Parameter
from deepvis_toolbox.optimize.method.percentile import reaching_percentile_
from deepvis_toolbox.optimize.method.regularizers.registry import Regularizer, register_regularizer


def benefit(x: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Return b, float32 (N, H, W): by how much the objective would rise, to first order, if a pixel became zero.

    `x` and `gradient`: float32 (N, C, H, W).
    """
    first, *rest = zip(x.unbind(1), gradient.unbind(1), strict=True)
    total = -(first[0] * first[1])
    for channel, slope in rest:
        total.addcmul_(channel, slope, value=-1)
    return total


@register_regularizer("signed contributions", position=5)
class SignedContributions(Regularizer):
    """Sets to zero the pixels whose signed contribution b is below a percentile of the picture's."""

    parameters = (
        Parameter(
            "px_benefit_percentile", 0.0, "set pixels of smaller contribution than this percentile to zero", high=100
        ),
    )

    def __init__(self, percentile: float) -> None:
        self.percentile = percentile

    def apply(self, x: torch.Tensor, gradient: torch.Tensor, step: int) -> torch.Tensor:  # noqa: ARG002
        """Do as the base class says."""
        return x.mul_(reaching_percentile_(benefit(x, gradient), self.percentile)[:, None])


@register_regularizer("absolute contributions", position=6)
class AbsoluteContributions(Regularizer):
    """Sets to zero the pixels whose absolute contribution |b| is below a percentile of the picture's."""

    parameters = (Parameter("px_abs_benefit_percentile", 0.0, "the same by the contribution's size", high=100),)

    def __init__(self, percentile: float) -> None:
        self.percentile = percentile

    def apply(self, x: torch.Tensor, gradient: torch.Tensor, step: int) -> torch.Tensor:  # noqa: ARG002
        """Do as the base class says."""
        return x.mul_(reaching_percentile_(benefit(x, gradient).abs_(), self.percentile)[:, None])
