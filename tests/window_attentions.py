"""Attention inside of windows in the ways that libraries write it, and its weights, computed place by place."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from tests.windowed import Swin, SwinBlock, padded_size, together

WAYS = ("explicit", "cosine", "fused", "masked", "infinite", "boolean", "module")
"""A softmax, with bias and a mask of -100; the same of Swin V2's cosines; torch's function with neither, with bias and
mask, with a mask of -inf, and with one of truth values; `nn.MultiheadAttention`."""
_BIASED, _UNMASKED = ("explicit", "cosine", "masked"), ("fused", "module")


class WindowAttention(nn.Module):
    """Attention inside of windows (N·windows, places, C)."""

    def __init__(self, width: int, heads: int, side: int, how: str) -> None:
        super().__init__()
        self.heads, self.how = heads, how
        self.bias = nn.Parameter(torch.randn(heads, side * side, side * side))
        self.drop, self.temperature = nn.Dropout(0.1), nn.Parameter(2 + torch.rand(heads, 1, 1))
        if how == "module":
            self.whole = nn.MultiheadAttention(width, heads, batch_first=True)
        else:
            self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
            self.proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        if self.how == "module":
            return self.whole(x, x, x, need_weights=False)[0]
        windows, places, width = x.shape
        q, k, v = (
            each(x).view(windows, places, self.heads, width // self.heads).permute(0, 2, 1, 3)
            for each in (self.query, self.key, self.value)
        )
        if self.how in ("explicit", "cosine"):
            mixed = torch.matmul(self.drop(F.softmax(self._scores(q, k, mask), dim=-1)), v)
        else:
            mixed = F.scaled_dot_product_attention(q, k, v, self._mask_for_torch(q, mask))
        return self.proj(mixed.permute(0, 2, 1, 3).contiguous().view(windows, places, width))

    def _scores(self, q: torch.Tensor, k: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        if self.how == "cosine":
            scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
            scores = scores * torch.clamp(self.temperature, max=4.6).exp()
        else:
            scores = torch.matmul(q, k.transpose(-1, -2)) / (q.shape[-1] ** 0.5)
        scores = scores + self.bias.unsqueeze(0)
        if mask is None:
            return scores
        whole = scores.view(-1, len(mask), self.heads, *mask.shape[1:]) + mask.unsqueeze(1).unsqueeze(0)
        return whole.view(-1, self.heads, *mask.shape[1:])

    def _mask_for_torch(self, q: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor | None:
        bias = self.bias.unsqueeze(0) if self.how == "masked" else None
        if mask is None or self.how == "fused":
            return bias
        empty = (q[..., :1] * 0).view(-1, len(mask), self.heads, mask.shape[-1], 1)
        whole = (empty + mask[None, :, None]).view(-1, self.heads, *mask.shape[1:])
        if bias is not None:
            return whole + bias
        return whole > -1 if self.how == "boolean" else whole.masked_fill(whole < -1, -torch.inf)

    def of_places(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Queries, as they are multiplied, and keys of places (T, C): (T, heads, d) each."""
        if self.how == "module":
            q, k, _ = F.linear(x, self.whole.in_proj_weight, self.whole.in_proj_bias).chunk(3, -1)
        else:
            q, k = self.query(x), self.key(x)
        q, k = (each.unflatten(1, (self.heads, -1)) for each in (q, k))
        if self.how == "cosine":
            q, k = (each / each.pow(2).sum(-1, keepdim=True).sqrt() for each in (q, k))
            return q * self.temperature[:, 0].clamp(max=4.6).exp(), k
        return q / q.shape[-1] ** 0.5, k


def swin(size: tuple[int, int], how: str = "explicit", side: int = 4, seed: int = 0) -> Swin:
    """A Swin with its attention written so."""
    torch.manual_seed(seed)
    model = Swin(size, side)
    for width, blocks in zip((8, 16), model.stages, strict=True):
        for block in blocks:
            block.attn = WindowAttention(width, 2, side, how)
    return model.eval()


def weights_place_by_place(model: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """Of each block, in order: how much each place of the map attends to each other and, last, to padding: (heads, T,
    T + 1). From what the module's first norms give for one image; none of it partitions a map."""
    found: list[torch.Tensor] = []
    hooks = [
        block.norm1.register_forward_hook(lambda _, __, normed, block=block: found.append(_weights(block, normed[0])))
        for block in model.modules()
        if isinstance(block, SwinBlock)
    ]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return found


def _weights(block: SwinBlock, normed: torch.Tensor) -> torch.Tensor:
    rows, columns, width = normed.shape
    whole = normed.new_zeros(*padded_size(block, rows, columns), width)
    whole[:rows, :columns] = normed
    number = torch.full(whole.shape[:2], rows * columns)
    number[:rows, :columns] = torch.arange(rows * columns).view(rows, columns)
    beside, window, own = together(block, rows, columns)
    q, k = block.attn.of_places(whole.flatten(0, 1))
    q = q.view(*whole.shape[:2], *q.shape[1:])[:rows, :columns].flatten(0, 1)
    scores = torch.einsum("thd,tphd->htp", q, k[beside])
    if block.attn.how in _BIASED:
        scores = scores + block.attn.bias[:, own]
    if block.shift and block.attn.how not in _UNMASKED:
        mask = block.mask[window, own]
        scores = scores + (
            torch.where(mask < -1, -torch.inf, 0.0) if block.attn.how in ("infinite", "boolean") else mask
        )
    found = scores.new_zeros(len(scores), rows * columns, rows * columns + 1)
    return found.scatter_add(2, number.flatten()[beside].expand(scores.shape), scores.softmax(-1))
