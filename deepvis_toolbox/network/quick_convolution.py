"""A quick gradient at the image for a network's first convolution: few input channels and a stride above one.

PyTorch's own is slow there on a CPU: it took 11 ms of one core for AlexNet's conv1 (11×11, stride 4) where this takes
2.6, 12 for GoogLeNet's (7×7, stride 2) where this takes 4.8. With stride s, the pixels (s·m + r) for one r are an
ordinary convolution of the signal with every s-th weight from r on; so one convolution gives all s² phases, which are
then interleaved (a sub-pixel convolution).
"""

from __future__ import annotations

from typing import Any, TypeGuard

import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox.network.plain_modules import is_plain

_FEW_CHANNELS = 4


def is_first_convolution(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Return whether `FirstConvolution` can stand for the module."""
    return (
        type(module) is nn.Conv2d
        and is_plain(module)
        and module.in_channels <= _FEW_CHANNELS
        and module.stride[0] == module.stride[1] > 1
        and module.groups == 1
        and module.dilation == (1, 1)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
        and not module.weight.requires_grad
        and module.weight.device.type == "cpu"
    )


class FirstConvolution:
    """The same values as the convolution's; its weights sorted by phase are made at the first backward pass."""

    def __init__(self, module: nn.Conv2d) -> None:
        self.module = module
        self._by_phase: torch.Tensor | None = None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the convolution of `x`, float32 (N, C, H, W)."""
        if not (torch.is_grad_enabled() and x.requires_grad):
            return self.module(x)
        return _Convolution.apply(x, self)

    @property
    def by_phase(self) -> torch.Tensor:
        """The turned weights, float32 (C·s·s, outputs, taps, taps), that give every phase of the input's gradient."""
        if self._by_phase is None:
            weight, stride = self.module.weight.detach(), self.module.stride[0]
            outputs, channels, *kernel = weight.shape
            taps = [-(-size // stride) for size in kernel]
            filled = F.pad(weight, (0, taps[1] * stride - kernel[1], 0, taps[0] * stride - kernel[0]))
            phases = filled.reshape(outputs, channels, taps[0], stride, taps[1], stride).permute(1, 3, 5, 0, 2, 4)
            phases = phases.reshape(channels * stride * stride, outputs, *taps).flip(2, 3)
            self._by_phase = phases.contiguous(memory_format=torch.channels_last)
        return self._by_phase

    def input_gradient(self, signal: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Return what arrives at an input of that size: float32 (N, C, height, width).

        `signal`: float32 (N, outputs, h, w), the gradient at the convolution's output.
        """
        stride, (top, left) = self.module.stride[0], map(int, self.module.padding)
        weight = self.by_phase
        phases = F.conv2d(signal, weight, padding=(weight.shape[2] - 1, weight.shape[3] - 1))
        padded = F.pixel_shuffle(phases, stride)
        inside = padded[:, :, top : top + height, left : left + width]
        return F.pad(inside, (0, width - inside.shape[3], 0, height - inside.shape[2]))


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, convolution: FirstConvolution) -> torch.Tensor:
        ctx.convolution, ctx.size = convolution, x.shape[2:]
        return convolution.module(x)

    @staticmethod
    def backward(ctx: Any, *signals: torch.Tensor) -> tuple[torch.Tensor, None]:
        return ctx.convolution.input_gradient(signals[0], *ctx.size), None
