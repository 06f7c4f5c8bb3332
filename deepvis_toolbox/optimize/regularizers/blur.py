"""Gaussian blur: takes away the high frequencies that gradient ascent likes and eyes do not."""

from __future__ import annotations

import numpy as np
import torch

from deepvis_toolbox.optimize.regularizers.registry import Regularizer, register_regularizer
from deepvis_toolbox.optimize.settings import AscentSettings

TRUNCATE = 4.0
"""The kernel ends after this many standard deviations, as `scipy.ndimage.gaussian_filter`'s."""


@register_regularizer("blur", position=2)
class Blur(Regularizer):
    """Every `every` steps, each channel is convolved with a Gaussian; beyond the border the image is mirrored."""

    def __init__(self, radius: float, every: int) -> None:
        self.kernel = gaussian_kernel(radius)
        self.every = every

    @classmethod
    def from_settings(cls, settings: AscentSettings) -> Blur | None:
        """On where both the radius and the interval are above 0."""
        on = settings.blur_radius > 0 and settings.blur_every > 0
        return cls(settings.blur_radius, settings.blur_every) if on else None

    def apply(self, x: torch.Tensor, gradient: torch.Tensor, step: int) -> torch.Tensor:  # noqa: ARG002
        """As the base class says."""
        if step % self.every:
            return x
        return _convolved(_convolved(x, -2, self.kernel), -1, self.kernel)


def gaussian_kernel(sigma: float) -> list[float]:
    """The weights of a one-dimensional Gaussian, 2 * radius + 1 of them, their sum 1."""
    radius = int(TRUNCATE * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return [float(weight) for weight in weights / weights.sum()]


def _convolved(x: torch.Tensor, axis: int, kernel: list[float]) -> torch.Tensor:
    """A sum of shifted images: on a CPU many times faster than a depthwise convolution with so few weights."""
    size, radius = x.shape[axis], len(kernel) // 2
    wide = _mirrored(x, axis, radius)
    total = wide.narrow(axis, radius, size) * kernel[radius]
    for shift in range(1, radius + 1):
        weight = kernel[radius + shift]
        total.add_(wide.narrow(axis, radius - shift, size), alpha=weight)
        total.add_(wide.narrow(axis, radius + shift, size), alpha=weight)
    return total


def _mirrored(x: torch.Tensor, axis: int, radius: int) -> torch.Tensor:
    """The image continued by `radius` at both ends: (d c b a | a b c d | d c b a), as often as needed."""
    size = x.shape[axis]
    if radius <= size:
        before, after = x.narrow(axis, 0, radius), x.narrow(axis, size - radius, radius)
        return torch.cat([before.flip(axis), x, after.flip(axis)], axis)
    index = torch.arange(-radius, size + radius, device=x.device) % (2 * size)
    return x.index_select(axis, torch.minimum(index, 2 * size - 1 - index))
