"""Robustness: the image is shifted, scaled and turned a little before each look, so that what is found survives it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F

SHIFT = 8.0
"""Pixels, at strength 1, in each direction."""
SCALING = 0.1
"""Relative, at strength 1: 0.9 to 1.1 times."""
ROTATION = 5.0
"""Degrees, at strength 1, in each direction."""
PullBack = Callable[[torch.Tensor], torch.Tensor]
STREAM = 1
"""Tells these random numbers from the ones that make the start image."""


class Robustness:
    """The random transformations of a batch: a picture's depend on its seed and the step alone."""

    def __init__(self, strength: float, seeds: Sequence[int], steps: int, device: torch.device) -> None:
        draws = [np.random.default_rng([seed, STREAM]).uniform(-1, 1, (steps, 4)) for seed in seeds]
        self._draws = torch.tensor(np.stack(draws), dtype=torch.float32, device=device) * strength

    def warped(self, x: torch.Tensor, rows: torch.Tensor, step: int) -> tuple[torch.Tensor, PullBack]:
        """Return the transformed images and what turns a gradient by them into one by `x`; both float32 (N, C, H, W).

        `rows`, int64 (N,): which pictures of the batch they are. Outside, images are continued by the mean.
        """
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            grid = F.affine_grid(self._affine(rows, step, x.shape), list(x.shape), align_corners=False)
            there = F.grid_sample(leaf, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        return there.detach(), lambda gradient: torch.autograd.grad(there, leaf, gradient)[0]

    def _affine(self, rows: torch.Tensor, step: int, shape: torch.Size) -> torch.Tensor:
        """Return (N, 2, 3): from places in the transformed image to places in the image, both -1 to 1."""
        across, down, scaling, turning = self._draws[rows, step].unbind(1)
        angle = turning * (ROTATION * torch.pi / 180)
        size = torch.exp(-scaling * SCALING)
        aspect = shape[-2] / shape[-1]
        cosine, sine = size * torch.cos(angle), size * torch.sin(angle)
        top = torch.stack([cosine, -sine * aspect, across * (2 * SHIFT / shape[-1])], 1)
        bottom = torch.stack([sine / aspect, cosine, down * (2 * SHIFT / shape[-2])], 1)
        return torch.stack([top, bottom], 1)
