"""Small vision transformers, written as libraries write them, whose answers are known: one that finds a colour."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

HOW = ("explicit", "fused", "module")
"""How attention is written: a softmax, torch's fused function, nn.MultiheadAttention."""


class SelfAttention(nn.Module):
    """Queries, keys and values from one linear layer."""

    def __init__(self, width: int, heads: int, how: str) -> None:
        super().__init__()
        self.heads, self.how = heads, how
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, width = x.shape
        shape = (batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = self.qkv(x).reshape(shape).permute(2, 0, 3, 1, 4).unbind(0)
        if self.how == "fused":
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = ((q * (width // self.heads) ** -0.5) @ k.transpose(-2, -1)).softmax(-1) @ v
        return self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))


class TorchsAttention(nn.Module):
    """The same by nn.MultiheadAttention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attn(x, x, x, need_weights=False)[0]


class Block(nn.Module):
    """Attention and an MLP, each added to what comes in."""

    def __init__(self, width: int, heads: int, how: str) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = TorchsAttention(width, heads) if how == "module" else SelfAttention(width, heads, how)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """Patches of 8 pixels; class token and registers in front."""

    def __init__(
        self, size: tuple[int, int] = (32, 32), how: str = "fused", others: int = 1, width: int = 24, depth: int = 2
    ) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, 8)
        self.others = nn.Parameter(torch.randn(1, others, width)) if others else None
        self.position = nn.Parameter(torch.randn(1, size[0] * size[1] // 64 + others, width) * 0.1)
        self.blocks = nn.Sequential(*[Block(width, 4, how) for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        if self.others is not None:
            x = torch.cat([self.others.expand(x.shape[0], -1, -1), x], 1)
        x = self.norm(self.blocks(x + self.position))
        return self.head(x[:, 0] if self.others is not None else x.mean(1))


class RedFinder(nn.Module):
    """4×8 patches and a class token that attends, in its first head, to the red ones alone. Weights by hand.

    Value 0 of a patch's token is how red it is, minus green and blue; `mlp` has a unit that is on for red patches.
    """

    def __init__(self, how: str = "fused") -> None:
        super().__init__()
        self.patches, self.how = nn.Conv2d(3, 8, 8, 8, bias=False), how
        self.class_token = nn.Parameter(torch.zeros(1, 1, 8))
        self.queries, self.keys, self.values = (nn.Linear(8, 8, bias=False) for _ in range(3))
        self.mlp, self.act = nn.Linear(8, 3), nn.GELU()
        self.head = nn.Linear(8, 2)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()
            self.patches.weight[0] = torch.tensor([1.0, -1.0, -1.0])[:, None, None] / 64
            self.class_token[0, 0, 1] = 1
            self.queries.weight[0, 1] = 20  # of the class token alone
            self.keys.weight[0, 0] = 20
            self.values.weight.copy_(torch.eye(8))
            self.mlp.weight[2, 0] = 5
            self.head.weight[0, 0] = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], 1)
        q, k, v = (each(x).unflatten(2, (2, 4)).transpose(1, 2) for each in (self.queries, self.keys, self.values))
        mixed = F.scaled_dot_product_attention(q, k, v) if self.how == "fused" else (q @ k.mT / 2).softmax(-1) @ v
        found = mixed.transpose(1, 2).flatten(2)
        return self.head(found[:, 0] + 0 * self.act(self.mlp(x)).mean())
