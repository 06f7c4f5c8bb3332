"""Clipping of pixels with small norm: regions that say little become the mean."""

from __future__ import annotations

import torch

from deepvis_toolbox.optimize.method.parameters import Parameter
from deepvis_toolbox.optimize.method.percentile import reaching_percentile_
from deepvis_toolbox.optimize.method.regularizers.registry import Regularizer, register_regularizer


@register_regularizer("small norms", position=4)
class SmallNorms(Regularizer):
    """Sets to zero the pixels whose norm over the channels is below a percentile of the picture's."""

    parameters = (
        Parameter("small_norm_percentile", 0.0, "set pixels of smaller norm than this percentile to zero", high=100),
    )

    def __init__(self, percentile: float) -> None:
        self.percentile = percentile

    def apply(self, x: torch.Tensor, gradient: torch.Tensor, step: int) -> torch.Tensor:  # noqa: ARG002
        """Do as the base class says."""
        return x.mul_(reaching_percentile_(_squared_norms(x), self.percentile)[:, None])


def _squared_norms(x: torch.Tensor) -> torch.Tensor:
    """Return the pixels' squared norms (N, H, W), of which the same ones lie below a percentile as of the norms.

    A sum of channels: torch's own norm over a strided axis is slow on a CPU.
    """
    first, *rest = x.unbind(1)
    total = first * first
    for channel in rest:
        total.addcmul_(channel, channel)
    return total
