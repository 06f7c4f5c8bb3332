"""x · sigmoid(slope · x) as one operation: Swish, and with slope 1.702 CLIP's approximation of GELU."""

from __future__ import annotations

from typing import Any

import torch


def swish(x: torch.Tensor, slope: float) -> torch.Tensor:
    """Return x · sigmoid(slope · x), float32, in the same shape."""
    if torch.is_grad_enabled() and x.requires_grad:
        return _Swish.apply(x, slope)  # type: ignore[no-any-return]
    return x * torch.sigmoid(slope * x)


def quick_gelu(x: torch.Tensor) -> torch.Tensor:
    """Return x · sigmoid(1.702 x), float32, in the same shape."""
    return swish(x, 1.702)


class _Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, slope: float) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.slope = slope
        return x * torch.sigmoid(slope * x)

    @staticmethod
    def backward(ctx: Any, *signals: torch.Tensor) -> tuple[torch.Tensor, None]:
        (x,) = ctx.saved_tensors
        gate = torch.sigmoid(ctx.slope * x)
        return signals[0] * gate * (1 + ctx.slope * x * (1 - gate)), None
