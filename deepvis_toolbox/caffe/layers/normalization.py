"""MVN and Normalize: normalization by an image's own statistics."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from deepvis_toolbox.caffe.layer_types import ElementwiseLayer, ModuleLayer, Shape, layer_type


@layer_type("MVN", old_name="MVN")
class MVN(ModuleLayer):
    """Mean zero and variance one, over each channel's map or the whole image. Single numbers become maps of 1×1."""

    def setup(self) -> list[Shape]:
        if len(self.bottom) > 3:
            raise self.error("bottom", f"it has the shape {self.bottom}; more than three axes are not supported")
        return [self.bottom + (1,) * (3 - len(self.bottom))]

    def module(self) -> nn.Module:
        param = self.definition.mvn_param
        return MeanVarianceNorm((1, 2, 3) if param.across_channels else (2, 3), param.normalize_variance, param.eps)


@layer_type("Normalize")
class Normalize(ElementwiseLayer):
    """x / its length, over the channels at each place or over the whole image, times a learned scale."""

    def setup(self) -> list[Shape]:
        self.spatial()
        self.parameters = [() if self.definition.norm_param.channel_shared else (self.bottom[0],)]
        return [self.bottom]

    def module(self) -> nn.Module:
        param = self.definition.norm_param
        return LengthNorm((1, 2, 3) if param.across_spatial else (1,), param.eps, self.blobs[0].reshape(-1, 1, 1))


class MeanVarianceNorm(nn.Module):
    """(x - mean) / (standard deviation + eps); eps is added to the deviation, not to the variance."""

    kind = "norm"

    def __init__(self, axes: tuple[int, ...], divides: bool, eps: float) -> None:
        super().__init__()
        self.axes, self.divides, self.eps = axes, divides, eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the normalized values of float32 (N, C, …), in four dimensions at least."""
        x = x.reshape(x.shape + (1,) * (4 - x.ndim))
        if not self.divides:
            return x - x.mean(self.axes, keepdim=True)
        return _MeanVarianceNorm.apply(x, self.axes, self.eps)


class _MeanVarianceNorm(torch.autograd.Function):
    """With Caffe's derivative, which stays finite where a map is constant."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, axes: tuple[int, ...], eps: float) -> torch.Tensor:
        centred = x - x.mean(axes, keepdim=True)
        deviation = centred.square().mean(axes, keepdim=True).sqrt() + eps
        normalized = centred / deviation
        ctx.save_for_backward(normalized, deviation)
        ctx.axes = axes
        return normalized

    @staticmethod
    def backward(ctx: Any, *signals: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (signal,) = signals
        normalized, deviation = ctx.saved_tensors
        along = (signal * normalized).mean(ctx.axes, keepdim=True)
        return (signal - signal.mean(ctx.axes, keepdim=True) - normalized * along) / deviation, None, None


class LengthNorm(nn.Module):
    """scale · x / sqrt(Σ x² + eps)."""

    kind = "norm"
    scale: torch.Tensor

    def __init__(self, axes: tuple[int, ...], eps: float, scale: torch.Tensor) -> None:
        super().__init__()
        self.axes, self.eps = axes, eps
        self.elementwise = axes == (1,)
        self.register_buffer("scale", scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the normalized maps of float32 (N, C, H, W), in the same shape."""
        return x * torch.rsqrt(x.square().sum(self.axes, keepdim=True) + self.eps) * self.scale
