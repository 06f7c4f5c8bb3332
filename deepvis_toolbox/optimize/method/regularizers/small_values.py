"""Clipping of small values: single numbers that are nearly the mean become it."""

from __future__ import annotations

import torch

from deepvis_toolbox.optimize.method.parameters import Parameter
from deepvis_toolbox.optimize.method.percentile import reaching_percentile_
from deepvis_toolbox.optimize.method.regularizers.registry import Regularizer, register_regularizer


@register_regularizer("small values", position=3)
class SmallValues(Regularizer):
    """Sets to zero the values whose size is below a percentile of the picture's."""

    parameters = (Parameter("small_val_percentile", 0.0, "set values smaller than this percentile to zero", high=100),)

    def __init__(self, percentile: float) -> None:
        self.percentile = percentile

    def apply(self, x: torch.Tensor, gradient: torch.Tensor, step: int) -> torch.Tensor:  # noqa: ARG002
        """Do as the base class says."""
        return x.mul_(reaching_percentile_(x.abs(), self.percentile))
