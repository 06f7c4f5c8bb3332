"""Networks of the tests beside those of tests/nets.py: a vision transformer in small, and one that is half precise."""

from __future__ import annotations

import torch
from torch import nn


class Block(nn.Module):
    """Attention, computed explicitly, and two linear layers."""

    def __init__(self, width: int = 16, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        attention = (q @ k.transpose(-2, -1) * (d // self.heads) ** -0.5).softmax(-1)
        x = x + self.proj((attention @ v).transpose(1, 2).reshape(n, t, d))
        return x + self.mlp(self.norm2(x))


class Transformer(nn.Module):
    """A class token, positions, two blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 8, 8)
        self.cls, self.positions = nn.Parameter(torch.randn(1, 1, 16)), nn.Parameter(torch.randn(1, 17, 16))
        self.blocks = nn.Sequential(Block(), Block())
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.head(self.norm(self.blocks(x))[:, 0])


class Smooth(nn.Module):
    """Activations that exporters take apart."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.silu = nn.Conv2d(3, 8, 3, padding=1), nn.SiLU()
        self.squeeze, self.excite, self.gate = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1), nn.Hardsigmoid()
        self.second, self.hardswish = nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.Hardswish()
        self.third, self.gelu = nn.Conv2d(8, 8, 3), nn.GELU()
        self.fourth, self.mish = nn.Conv2d(8, 8, 1), nn.Mish()
        self.fifth, self.relu6 = nn.Conv2d(8, 8, 1), nn.ReLU6()
        self.fc = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.silu(self.conv(x))
        scale = self.gate(self.excite(torch.relu(self.squeeze(x.mean((2, 3), keepdim=True)))))
        x = self.hardswish(self.second(x * scale))
        x = self.relu6(self.fifth(self.mish(self.fourth(self.gelu(self.third(x))))))
        return self.fc(x.mean((2, 3)))
