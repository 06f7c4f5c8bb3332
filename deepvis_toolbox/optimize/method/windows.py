"""Rectangles of images and maps: cut out, or moved to another place."""

from __future__ import annotations

import torch

from deepvis_toolbox.words.layer import Rect


def moved_there(x: torch.Tensor, there: Rect, here: Rect) -> torch.Tensor:
    """Return images, float32 (N, C, H, W), moved so that what lies in the rectangle `there` comes to lie in `here`, of
    the same size. What comes in from outside is mirrored at the border."""
    height, width = x.shape[2:]
    rows = _mirrored(torch.arange(height) + there.top - here.top, height)
    columns = _mirrored(torch.arange(width) + there.left - here.left, width)
    return x[:, :, rows.to(x.device)][..., columns.to(x.device)]


def alone(x: torch.Tensor, there: Rect, here: Rect) -> torch.Tensor:
    """Return what images, float32 (N, C, H, W), have in the rectangle `there`, at `here`, of the same size; all else
    is 0."""
    height, width = x.shape[2:]
    found = torch.zeros_like(x)
    down, across = there.top - here.top, there.left - here.left
    top, bottom = max(here.top, 0, -down), min(here.bottom, height, height - down)
    left, right = max(here.left, 0, -across), min(here.right, width, width - across)
    if top < bottom and left < right:
        moved = x[:, :, top + down : bottom + down, left + across : right + across]
        found[:, :, top:bottom, left:right] = moved
    return found


def cut(values: torch.Tensor, window: Rect | None) -> torch.Tensor:
    """Return the window of a layer's maps, float32 (N, C, H, W), a view; all of them for None."""
    if window is None:
        return values
    return values[:, :, window.top : window.bottom, window.left : window.right]


def _mirrored(places: torch.Tensor, size: int) -> torch.Tensor:
    """Return indices, int64, inside 0 to size - 1, mirrored as often as it takes."""
    turned = places.remainder(2 * size)
    return torch.where(turned < size, turned, 2 * size - 1 - turned)
