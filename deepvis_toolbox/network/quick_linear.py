"""Linear layers by oneDNN instead of PyTorch's own choice, MKL, which leaves AMD's processors half idle.

With 4096 units of 9216 inputs (AlexNet's fc6), MKL took 5.6 ms for one picture and 17 ms for nine on two cores of an
AMD EPYC where oneDNN takes 4.3 and 5.5. PyTorch has the call for its compiler's use and documents it nowhere, so that
where it is missing the layer stays as it is.

What takes the time is reading the weights. Going down, the rows of units that no signal arrives at, as those whose
rectifier is off, need not be read: with every second unit off, the same layer takes 1.6 ms for one picture.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox.network.plain_modules import is_plain

_PARTS = 4
"""Each picture's signal is summed up in so many parts, for more than one processor to work on."""


def is_quick_linear(module: nn.Module) -> TypeGuard[nn.Linear]:
    """Return whether `QuickLinear` can stand for the module."""
    return (
        type(module) is nn.Linear
        and is_plain(module)
        and not module.weight.requires_grad
        and module.weight.device.type == "cpu"
        and module.weight.dtype == torch.float32
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


class QuickLinear:
    """The same values and gradient at the input as the module's, up to rounding."""

    def __init__(self, module: nn.Linear) -> None:
        self.module = module

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the linear layer's values for `x`, float32 (N, units)."""
        weight, bias = self.module.weight, self.module.bias
        if torch.is_grad_enabled() and x.requires_grad:
            return _Linear.apply(x, weight, bias)  # type: ignore[no-any-return]
        return _by_onednn(x, weight, bias)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.weight = weight
        return _by_onednn(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *signals: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return _arriving_below(signals[0], ctx.weight), None, None


def _arriving_below(signal: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return signal @ weight, in whichever way reads less of the weights."""
    flat = signal.reshape(-1, signal.shape[-1])
    picture, unit = flat.nonzero(as_tuple=True)
    units = flat.shape[1]
    if len(unit) > units:
        return _by_onednn(signal, weight.t(), None)
    lengths = torch.bincount(picture * _PARTS + unit * _PARTS // units, minlength=len(flat) * _PARTS)
    starts = lengths.cumsum(0) - lengths
    sums = F.embedding_bag(unit, weight, starts, mode="sum", per_sample_weights=flat[picture, unit])
    return sums.view(len(flat), _PARTS, weight.shape[1]).sum(1).reshape(*signal.shape[:-1], weight.shape[1])


def _by_onednn(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    made: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return made
