"""Pooling: MAX, AVE and STOCHASTIC, with windows rounded up and clipped as Caffe does."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox.caffe.geometry import Pair, single_pair
from deepvis_toolbox.caffe.layer_types import ModuleLayer, Shape, layer_type
from deepvis_toolbox.network.operations import Window

_MAX, _AVE, _STOCHASTIC = 0, 1, 2


@layer_type("Pooling", old_name="POOLING")
class Pooling(ModuleLayer):
    """Windows start at -pad and are counted rounding up; those that start beyond image and padding are dropped.

    That is what PyTorch's `ceil_mode` computes too, but for two cases: padding of more than half a kernel, which
    PyTorch refuses, and a last window that lies wholly outside the image, for which Caffe gives no meaningful value.
    """

    def setup(self) -> list[Shape]:
        param = self.definition.pooling_param
        channels, height, width = self.spatial()
        self.method = param.pool
        self.everywhere = param.global_pooling
        self.rounds_up = param.round_mode == 0 and (param.ceil_mode or not param.HasField("ceil_mode"))
        self.kernel = self._kernel(height, width)
        self.stride = single_pair(self, param, "stride", "stride", 1)
        self.padding = single_pair(self, param, "pad", "pad", 0)
        self._check_window()
        self.size = (self._extent(height, 0), self._extent(width, 1))
        return [(channels, *self.size)]

    def module(self) -> nn.Module:
        if self.method == _STOCHASTIC:
            return StochasticPool(self.kernel, self.stride)
        if self.everywhere:
            return nn.AdaptiveAvgPool2d(1) if self.method == _AVE else nn.AdaptiveMaxPool2d(1)
        if any(2 * padding > kernel for padding, kernel in zip(self.padding, self.kernel, strict=True)):
            return WidelyPaddedPool(self.method == _MAX, self.kernel, self.stride, self.padding, self.size)
        if self.method == _MAX:
            return nn.MaxPool2d(self.kernel, self.stride, self.padding, ceil_mode=self.rounds_up)
        return nn.AvgPool2d(self.kernel, self.stride, self.padding, ceil_mode=self.rounds_up)

    def _kernel(self, height: int, width: int) -> Pair:
        param = self.definition.pooling_param
        if not self.everywhere:
            return single_pair(self, param, "kernel_size", "kernel", None)
        if any(param.HasField(name) for name in ("kernel_size", "kernel_h", "kernel_w")):
            raise self.error("kernel_size", "is given beside global_pooling; Caffe takes one of them")
        return height, width

    def _check_window(self) -> None:
        self.positive("kernel_size", min(self.kernel))
        self.positive("stride", min(self.stride))
        if self.everywhere and (max(self.stride) > 1 or max(self.padding) > 0):
            raise self.error("global_pooling", "takes neither stride nor padding")
        if max(self.padding) > 0 and self.method == _STOCHASTIC:
            raise self.error("pad", "stochastic pooling takes no padding")
        if self.padding[0] >= self.kernel[0] or self.padding[1] >= self.kernel[1]:
            raise self.error("pad", "must be smaller than the kernel")

    def _extent(self, extent: int, axis: int) -> int:
        padding, stride = self.padding[axis], self.stride[axis]
        room = extent + 2 * padding - self.kernel[axis]
        if room < 0:
            raise self.error("kernel_size", f"the window of {self.kernel[axis]} is larger than its input of {extent}")
        count = (-(-room // stride) if self.rounds_up else room // stride) + 1
        is_clipped = max(self.padding) > 0  # padding along either axis makes Caffe drop windows along both
        if is_clipped and (count - 1) * stride >= extent + padding:
            count -= 1
        if (count - 1) * stride - padding >= extent:
            raise self.error(
                "stride", f"the last window lies outside the input of {extent}; Caffe's result is undefined"
            )
        return count


class WidelyPaddedPool(nn.Module):
    """Max or average pooling whose padding is more than half the kernel: the padding is made first."""

    kind = "pool"

    def __init__(self, takes_max: bool, kernel: Pair, stride: Pair, padding: Pair, size: Pair) -> None:
        super().__init__()
        self.takes_max, self.kernel, self.stride, self.padding, self.size = takes_max, kernel, stride, padding, size

    @property
    def window(self) -> Window:
        """The window over which it looks, as `operations` asks for it."""
        return Window(self.kernel, self.stride, self.padding)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the pooled maps, float32 (N, C, H', W'), of (N, C, H, W)."""
        top, left = self.padding
        padded = F.pad(x, (left, left, top, top), value=float("-inf") if self.takes_max else 0.0)
        pool = F.max_pool2d if self.takes_max else F.avg_pool2d
        pooled = pool(padded, self.kernel, self.stride, ceil_mode=True)
        return pooled[:, :, : self.size[0], : self.size[1]]


class StochasticPool(nn.Module):
    """Stochastic pooling at test time: each value weighted by its share of the window's sum, Σx² / Σx."""

    kind = "pool"

    def __init__(self, kernel: Pair, stride: Pair) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    @property
    def window(self) -> Window:
        """The window over which it looks, as `operations` asks for it."""
        return Window(self.kernel, self.stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the pooled maps, float32 (N, C, H', W'), of (N, C, H, W)."""
        sums = F.avg_pool2d(x, self.kernel, self.stride, ceil_mode=True, divisor_override=1)
        squares = F.avg_pool2d(x * x, self.kernel, self.stride, ceil_mode=True, divisor_override=1)
        return squares / (sums + torch.finfo(torch.float32).tiny)
