"""A small Swin, written as libraries write it, and what its layers are, computed place by place."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class WindowAttention(nn.Module):
    """Attention inside of windows (N·windows, places, C), with a bias for each pair of places and a mask."""

    def __init__(self, width: int, heads: int, side: int, *, fused: bool = False) -> None:
        super().__init__()
        self.heads, self.fused = heads, fused
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.bias = nn.Parameter(torch.randn(1, heads, side * side, side * side))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        windows, places, width = x.shape
        shape = (windows, places, 3, self.heads, width // self.heads)
        q, k, v = self.qkv(x).reshape(shape).permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            scores = (q * (width // self.heads) ** -0.5) @ k.transpose(-2, -1) + self.bias
            if mask is not None:
                scores = scores.view(-1, mask.shape[0], self.heads, places, places) + mask[None, :, None]
                scores = scores.view(-1, self.heads, places, places)
            mixed = scores.softmax(-1) @ v
        return self.proj(mixed.transpose(1, 2).reshape(windows, places, width))


class SwinBlock(nn.Module):
    """Windows of a map (N, H, W, C), shifted or not, put back together; then an MLP."""

    def __init__(self, width: int, heads: int, side: int, shift: int, size: tuple[int, int], **how: bool) -> None:
        super().__init__()
        self.side, self.shift = side, shift
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, side, **how)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        padded = [size[axis] + -size[axis] % side for axis in (0, 1)]
        self.register_buffer("mask", self._mask(padded) if shift else None)

    def _mask(self, size: list[int]) -> torch.Tensor:
        parts = torch.zeros(1, *size, 1)
        bands = (slice(0, -self.side), slice(-self.side, -self.shift), slice(-self.shift, None))
        for number, (rows, columns) in enumerate((r, c) for r in bands for c in bands):
            parts[:, rows, columns] = number
        parts = self.partitioned(parts)[..., 0]
        return torch.where(parts[:, None] == parts[:, :, None], 0.0, -100.0)

    def partitioned(self, x: torch.Tensor) -> torch.Tensor:
        n, rows, columns, width = x.shape
        side = self.side
        x = x.view(n, rows // side, side, columns // side, side, width)
        return x.permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, side * side, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, rows, columns, width = x.shape
        side, before = self.side, x
        x = self.norm1(x)
        x = F.pad(x, (0, 0, 0, -columns % side, 0, -rows % side))
        padded = x.shape
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        x = self.attn(self.partitioned(x), self.mask)
        x = x.view(n, padded[1] // side, padded[2] // side, side, side, width).permute(0, 1, 3, 2, 4, 5)
        x = x.reshape(n, padded[1], padded[2], width)
        if self.shift:
            x = torch.roll(x, (self.shift, self.shift), (1, 2))
        x = before + x[:, :rows, :columns, :]
        return x + self.mlp(self.norm2(x))


class Merging(nn.Module):
    """Four places become one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(4 * width), nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = [x[:, row::2, column::2, :] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(parts, -1)))


class Swin(nn.Module):
    """Two stages of two blocks each, the second of which shifts its windows."""

    def __init__(
        self, size: tuple[int, int] = (32, 48), side: int = 4, patch: int = 4, *, in_a_row: bool = False, **how: bool
    ) -> None:
        super().__init__()
        rows, columns = size[0] // patch, size[1] // patch
        self.in_a_row = in_a_row
        self.patch_embed = nn.Conv2d(3, 8, patch, patch)
        grids = [(rows, columns), (rows // 2, columns // 2)]
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(SwinBlock(8 * 2**stage, 2, side, shift, grid, **how) for shift in (0, side // 2)),
            )
            for stage, grid in enumerate(grids)
        )
        self.merging, self.norm, self.head = Merging(8), nn.LayerNorm(16), nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch_embed(x)
        if self.in_a_row:  # as the official code holds it between blocks
            rows, columns = x.shape[2:]
            x = x.flatten(2).transpose(1, 2)
            x = x.view(-1, rows, columns, x.shape[-1])
        else:
            x = x.permute(0, 2, 3, 1)
        x = self.merging(self.stages[0](x))
        return self.head(self.norm(self.stages[1](x)).mean((1, 2)))


def maps_without_windows(model: Swin, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """What the layers inside of windows are, (N, D, rows, columns), and the `head`."""
    found = layers_without_windows(model, x)
    return {name: value.permute(0, 3, 1, 2) if value.ndim == 4 else value for name, value in found.items()}


def layers_without_windows(model: Swin, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """The same with channels last, (N, rows, columns, D), computed place by place: each place attends to those that lie
    in its window, told by their coordinates in the shifted picture. None of it partitions a map."""
    found: dict[str, torch.Tensor] = {}
    x = model.patch_embed(x).permute(0, 2, 3, 1)
    for stage, blocks in enumerate(model.stages):
        for number, block in enumerate(blocks):
            path = f"stages.{stage}.{number}"
            normed = block.norm1(x)
            qkv = block.attn.qkv(normed)
            found[f"{path}.attn.qkv"] = qkv
            mixed = _mixed_place_by_place(block, qkv)
            proj = block.attn.proj(mixed)
            found[f"{path}.attn.proj"] = proj
            found[f"{path}.attn.matmul_1"] = mixed
            for index, name in enumerate(("q", "k", "v")):
                found[f"{path}.attn.{name}"] = qkv.chunk(3, -1)[index]
            x = x + proj
            x = x + block.mlp(block.norm2(x))
        if stage == 0:
            x = model.merging(x)
    found["head"] = model.head(model.norm(x).mean((1, 2)))
    return found


def _mixed_place_by_place(block: SwinBlock, qkv: torch.Tensor) -> torch.Tensor:
    n, rows, columns, _ = qkv.shape
    shift, heads = block.shift, block.attn.heads
    padded = padded_size(block, rows, columns)
    empty = block.attn.qkv.bias
    whole = empty.expand(n, *padded, -1).clone()  # a place of padding holds zeros, so its linear layer gives the bias
    whole[:, :rows, :columns] = qkv
    q, k, v = (part.reshape(n, *padded, heads, -1) for part in whole.chunk(3, -1))
    beside, window, own = together(block, rows, columns)
    keys, values = (part.flatten(1, 2)[:, beside] for part in (k, v))
    scores = (q[:, :rows, :columns].flatten(1, 2)[:, :, None] * keys).sum(-1) * q.shape[-1] ** -0.5
    if not block.attn.fused:
        scores = scores + block.attn.bias[0][:, own].permute(1, 2, 0)
        if shift:
            scores = scores + block.mask[window, own][..., None]
    mixed = (scores.softmax(2)[..., None] * values).sum(2)
    return mixed.reshape(n, rows, columns, -1)


def padded_size(block: SwinBlock, rows: int, columns: int) -> tuple[int, int]:
    """The size of a map that whole windows lie on."""
    return rows + -rows % block.side, columns + -columns % block.side


def together(block: SwinBlock, rows: int, columns: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of each place of a map, row by row: which places of the padded map lie in its window, (T, side²), in which window
    it lies, and which place of that it is, (T,). Told by coordinates in the shifted picture."""
    side, shift, padded = block.side, block.shift, padded_size(block, rows, columns)
    top, left = (
        each.flatten()
        for each in torch.meshgrid(
            (torch.arange(rows) - shift) % padded[0], (torch.arange(columns) - shift) % padded[1], indexing="ij"
        )
    )
    window_rows = (torch.arange(side) + (top // side * side)[:, None] + shift) % padded[0]
    window_columns = (torch.arange(side) + (left // side * side)[:, None] + shift) % padded[1]
    beside = (window_rows[:, :, None] * padded[1] + window_columns[:, None]).flatten(1)
    return beside, top // side * (padded[1] // side) + left // side, top % side * side + left % side
