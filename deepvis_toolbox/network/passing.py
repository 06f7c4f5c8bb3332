"""Layers through which a deconv signal passes unchanged, where a model asks for it (LRN, in the paper's network)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Computation = Callable[[torch.Tensor], torch.Tensor]


class DeconvSwitch:
    """Whether the backward pass under way is a deconv."""

    is_on = False


class _PassedInDeconv(torch.autograd.Function):
    """Computes `call`; going down, its derivative, or the signal as it is while the switch is on."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, call: Computation, switch: DeconvSwitch) -> torch.Tensor:
        with torch.enable_grad():
            own_input = x.detach().requires_grad_()
            ctx.pair = (own_input, call(own_input))
        ctx.switch = switch
        return ctx.pair[1].detach()

    @staticmethod
    def backward(ctx: Any, *signals: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        if ctx.switch.is_on:
            return signals[0], None, None
        own_input, output = ctx.pair
        return torch.autograd.grad(output, own_input, signals[0], retain_graph=True)[0], None, None


def passed_in_deconv(call: Computation, switch: DeconvSwitch) -> Computation:
    """Return `call` with a backward pass that leaves the signal alone while the switch is on."""
    return lambda x: _PassedInDeconv.apply(x, call, switch)
