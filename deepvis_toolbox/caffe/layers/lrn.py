"""LRN: local response normalization across channels or within one."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox.caffe.layer_types import ElementwiseLayer, Shape, layer_type
from deepvis_toolbox.network.operations import Window

_WITHIN_CHANNEL = 1


@layer_type("LRN", old_name="LRN")
class LRN(ElementwiseLayer):
    """x · (k + alpha/n · Σ x²)^-beta over n neighbouring channels, or over n×n places of one channel (k is 1 there)."""

    def setup(self) -> list[Shape]:
        self.spatial()
        size = self.definition.lrn_param.local_size
        if size % 2 == 0 or size > 1 << 16:
            raise self.error("local_size", f"is {size}; it must be odd")
        return [self.bottom]

    def module(self) -> nn.Module:
        param = self.definition.lrn_param
        if param.norm_region == _WITHIN_CHANNEL:
            return WithinChannelNorm(param.local_size, param.alpha, param.beta)
        return AcrossChannelsNorm(param.local_size, param.alpha, param.beta, param.k)


class AcrossChannelsNorm(nn.Module):
    """Local response normalization across channels.

    PyTorch's own pools over a tensor of five dimensions, which took 10 to 200 times as long in the shapes of AlexNet
    and GoogLeNet.
    """

    kind = "lrn"
    elementwise = True

    def __init__(self, size: int, alpha: float, beta: float, k: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the normalized maps of float32 (N, C, H, W), in the same shape."""
        return _AcrossChannelsNorm.apply(x, self.size, self.alpha, self.beta, self.k)


class _AcrossChannelsNorm(torch.autograd.Function):
    """y = x · scale^-beta, and its derivative written out, which reads each value half as often as autograd's."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, size: int, alpha: float, beta: float, k: float) -> torch.Tensor:
        scale = _sum_over_neighbours(x * x, size).mul_(alpha / size).add_(k)
        if not ctx.needs_input_grad[0]:
            return _power_(scale, beta).mul_(x)
        factor = _power_(scale.clone(), beta)
        ctx.save_for_backward(x, scale, factor)
        ctx.size, ctx.slope = size, 2 * alpha * beta / size
        return x * factor

    @staticmethod
    def backward(ctx: Any, *signals: torch.Tensor) -> tuple[torch.Tensor, None, None, None, None]:
        x, scale, factor = ctx.saved_tensors
        direct = signals[0] * factor
        ratio = (direct * x).div_(scale)
        from_neighbours = _sum_over_neighbours(ratio, ctx.size).mul_(x)
        return direct.sub_(from_neighbours, alpha=ctx.slope), None, None, None, None


def _sum_over_neighbours(x: torch.Tensor, size: int) -> torch.Tensor:
    """Return the sum over `size` channels around each, fewer at the ends. Adding shifted blocks is fast in any
    layout."""
    total = x.clone()
    for distance in range(1, min(size // 2, x.shape[1] - 1) + 1):
        total[:, distance:] += x[:, :-distance]
        total[:, :-distance] += x[:, distance:]
    return total


def _power_(scale: torch.Tensor, beta: float) -> torch.Tensor:
    """scale^-beta, in its place; the usual 0.75 by square roots, several times as fast."""
    if beta == 0.75:
        root = scale.rsqrt_()
        return root.mul_(root.sqrt())
    return scale.pow_(-beta)


class WithinChannelNorm(nn.Module):
    """Local response normalization within each channel: x · (1 + alpha · mean of x² over the window)^-beta."""

    kind = "lrn"

    def __init__(self, size: int, alpha: float, beta: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta = size, alpha, beta

    @property
    def window(self) -> Window:
        """The window over which it looks, as `operations` asks for it."""
        return Window((self.size, self.size), padding=(self.size // 2, self.size // 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the normalized maps of float32 (N, C, H, W), in the same shape."""
        mean = F.avg_pool2d(x * x, self.size, 1, self.size // 2)
        return x * (1 + self.alpha * mean).pow(-self.beta)
