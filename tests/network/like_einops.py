"""A helper as of a library that works on tensors of several frameworks, and asks what it was given."""

from __future__ import annotations

import math

import torch


def rearranged(x: torch.Tensor, patch: int) -> torch.Tensor:
    """As einops' rearrange(x, "b c (h p) (w q) -> b (h w p q) c", p=patch, q=patch)."""
    if not isinstance(x, torch.Tensor):
        raise RuntimeError(f"Tensor type unknown to this library: {type(x)}")
    sizes = dict(zip("bchw", x.shape, strict=True))
    inner = [sizes["h"] // patch, patch, sizes["w"] // patch, patch]
    x = x.reshape([sizes["b"], sizes["c"], *inner]).permute(0, 2, 4, 3, 5, 1)
    return x.reshape(sizes["b"], math.prod(inner), sizes["c"])
