"""x · sigmoid(1.702 x), CLIP's approximation of GELU, as one operation."""

from __future__ import annotations

from typing import Any

import torch

_SLOPE = 1.702


def quick_gelu(x: torch.Tensor) -> torch.Tensor:
    """x · sigmoid(1.702 x), of any shape."""
    if torch.is_grad_enabled() and x.requires_grad:
        return _QuickGelu.apply(x)
    return x * torch.sigmoid(_SLOPE * x)


class _QuickGelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(_SLOPE * x)

    @staticmethod
    def backward(ctx: Any, *signals: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        gate = torch.sigmoid(_SLOPE * x)
        return signals[0] * gate * (1 + _SLOPE * x * (1 - gate))
