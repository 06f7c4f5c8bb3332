"""Clipping of pixels with small norm: regions that say little become the mean."""

from __future__ import annotations

import torch

from deepvis_toolbox.optimize.percentile import below_percentile
from deepvis_toolbox.optimize.regularizers.registry import Regularizer, register_regularizer
from deepvis_toolbox.optimize.settings import AscentSettings


@register_regularizer("small norms", position=4)
class SmallNorms(Regularizer):
    """Sets to zero the pixels whose norm over the channels is below a percentile of the picture's."""

    def __init__(self, percentile: float) -> None:
        self.percentile = percentile

    @classmethod
    def from_settings(cls, settings: AscentSettings) -> SmallNorms | None:
        """On where `small_norm_percentile` is above 0."""
        return cls(settings.small_norm_percentile) if settings.small_norm_percentile > 0 else None

    def apply(self, x: torch.Tensor, gradient: torch.Tensor, step: int) -> torch.Tensor:  # noqa: ARG002
        """As the base class says."""
        small = below_percentile(_norms(x), self.percentile)
        return x.masked_fill_(small[:, None], 0.0)


def _norms(x: torch.Tensor) -> torch.Tensor:
    """The pixels' norms (N, H, W). A sum of channels: torch's own norm over a strided axis is slow on a CPU.

    The squares are summed in double precision, as small pixels' squares would vanish in single.
    """
    first, *rest = x.unbind(1)
    total = first.double().square_()
    for channel in rest:
        total.add_(channel.double().square_())
    return total.sqrt_()
