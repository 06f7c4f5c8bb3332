"""Many views: each step sees random parts of the image at the size of the network's input, turned, with some noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.robustness import PullBack

STREAM = 2
"""Tells these random numbers from the others of a seed."""
NOISE_STREAM = 3


class Views:
    """The random parts that a batch is seen through: a picture's depend on its seed and the step alone."""

    def __init__(
        self, settings: AscentSettings, seeds: Sequence[int], size: tuple[int, int], device: torch.device
    ) -> None:
        """`size`: (h, w) of the network's input."""
        self.count, self._size, self._seeds = int(settings.views), size, list(seeds)
        self._noise = settings.view_noise
        shape = (settings.max_iter, self.count, 4)
        draws = np.stack([np.random.default_rng([seed, STREAM]).uniform(-1, 1, shape) for seed in seeds])
        side = settings.view_smallest + (1 - settings.view_smallest) * (draws[..., 0] + 1) / 2
        turn = draws[..., 1] * np.radians(settings.view_turn)
        self._affine = torch.tensor(_affine(side, turn, draws[..., 2], draws[..., 3]), dtype=torch.float32).to(device)

    def warped(self, x: torch.Tensor, rows: torch.Tensor, step: int) -> tuple[torch.Tensor, PullBack]:
        """Return each image's views, (M * views, C, h, w), those of the first image first, and what turns a gradient by
        them into the mean gradient by `x`, float32 (M, C, H, W). `rows`, int64 (M,): which pictures of the batch.
        """
        shape = [len(rows) * self.count, x.shape[1], *self._size]
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            repeated = leaf.repeat_interleave(self.count, 0)
            grid = F.affine_grid(self._affine[rows, step].flatten(0, 1), shape, align_corners=False)
            there = F.grid_sample(repeated, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        seen = there.detach()
        if self._noise:
            seen = seen + self._noise * self._normal(rows.tolist(), step, shape[1:]).to(seen)
        return seen, lambda gradient: torch.autograd.grad(there, leaf, gradient / self.count)[0]

    def _normal(self, rows: Sequence[int], step: int, shape: Sequence[int]) -> torch.Tensor:
        """Return noise of deviation 1, drawn on the CPU, so that it is the same on every device."""
        drawn = [
            np.random.default_rng([self._seeds[row], NOISE_STREAM, step]).standard_normal(
                (self.count, *shape), np.float32
            )
            for row in rows
        ]
        return torch.from_numpy(np.concatenate(drawn))


def _affine(side: np.ndarray, turn: np.ndarray, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Return (…, 2, 3), from places in a view to places in the image, both -1 to 1.

    `side`: the view's, of the image's; `turn`: radians; `across`, `down`: -1 to 1, from edge to edge of the image.
    """
    cosine, sine, room = side * np.cos(turn), side * np.sin(turn), 1 - side
    top = np.stack([cosine, -sine, across * room], -1)
    bottom = np.stack([sine, cosine, down * room], -1)
    return np.stack([top, bottom], -2)
