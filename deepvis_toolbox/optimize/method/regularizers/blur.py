"""Gaussian blur: takes away the high frequencies that gradient ascent likes and eyes do not."""

from __future__ import annotations

import numpy as np
import torch

from deepvis_toolbox.optimize.method.parameters import Parameter
from deepvis_toolbox.optimize.method.regularizers.registry import Regularizer, register_regularizer

TRUNCATE = 4.0
"""The kernel ends after this many standard deviations, as `scipy.ndimage.gaussian_filter`'s."""


@register_regularizer("blur", position=2)
class Blur(Regularizer):
    """Every `every` steps, each channel is convolved with a Gaussian; beyond the border the image is mirrored."""

    parameters = (
        Parameter("blur_radius", 0.0, "width of the Gaussian blur in pixels", high=1000),
        Parameter("blur_every", 1, "blur at the steps 0, this, twice this, …", whole=True),
    )

    def __init__(self, radius: float, every: int) -> None:
        self.kernel = gaussian_kernel(radius)
        self.every = every

    def apply(self, x: torch.Tensor, gradient: torch.Tensor, step: int) -> torch.Tensor:  # noqa: ARG002
        """Do as the base class says."""
        if step % self.every:
            return x
        once = _convolved(x, -2, self.kernel, torch.empty_like(x))
        return _convolved(once, -1, self.kernel, x)


def gaussian_kernel(sigma: float) -> list[float]:
    """Return the weights of a one-dimensional Gaussian, 2 * radius + 1 of them, their sum 1."""
    radius = int(TRUNCATE * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return [float(weight) for weight in weights / weights.sum()]


def _convolved(x: torch.Tensor, axis: int, kernel: list[float], total: torch.Tensor) -> torch.Tensor:
    """Return a sum of shifted images, written over `total` unless the kernel is wider than the image.

    On a CPU many times faster than a depthwise convolution with so few weights.
    """
    size, radius = x.shape[axis], len(kernel) // 2
    if radius > size:
        wide = _mirrored(x, axis, radius)
        return _convolved(wide, axis, kernel, torch.empty_like(wide)).narrow(axis, radius, size)
    torch.mul(x, kernel[radius], out=total)
    for shift, weight in enumerate(kernel[radius + 1 :], start=1):
        kept = size - shift
        total.narrow(axis, shift, kept).add_(x.narrow(axis, 0, kept), alpha=weight)
        total.narrow(axis, 0, kept).add_(x.narrow(axis, shift, kept), alpha=weight)
        for border in (0, kept):  # beyond it the image is mirrored
            total.narrow(axis, border, shift).add_(x.narrow(axis, border, shift).flip(axis), alpha=weight)
    return total


def _mirrored(x: torch.Tensor, axis: int, radius: int) -> torch.Tensor:
    """Return the image continued by `radius` at both ends: (d c b a | a b c d | d c b a), as often as needed."""
    size = x.shape[axis]
    index = torch.arange(-radius, size + radius, device=x.device) % (2 * size)
    return x.index_select(axis, torch.minimum(index, 2 * size - 1 - index))
