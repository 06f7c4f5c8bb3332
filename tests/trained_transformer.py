"""A vision transformer that is trained here, in seconds, on generated pictures: what is right of each is known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from tests.transformers import VisionTransformer

COLOURS = np.array([(230, 30, 30), (30, 230, 30), (30, 30, 230), (230, 230, 30), (30, 230, 230)])
"""RGB, one a class."""
SIDE, PATCH = 32, 8
GRID = SIDE // PATCH


class Pictures(NamedTuple):
    """Noise, in which one patch has a colour: the class."""

    frames: np.ndarray
    """RGB uint8 (N, 32, 32, 3)."""
    classes: np.ndarray
    """int64 (N,): of `COLOURS`."""
    places: np.ndarray
    """int64 (N, 2): row and column of the patch, on a grid of 4×4."""


def made_pictures(count: int, seed: int) -> Pictures:
    """Return so many, the patch anywhere on the grid; half of its values is noise, too."""
    dice = np.random.default_rng(seed)
    frames = dice.integers(0, 256, (count, SIDE, SIDE, 3))
    classes, places = dice.integers(0, len(COLOURS), count), dice.integers(0, GRID, (count, 2))
    for frame, number, (row, column) in zip(frames, classes, places, strict=True):
        patch = frame[PATCH * row : PATCH * (row + 1), PATCH * column : PATCH * (column + 1)]
        patch[:] = (patch + COLOURS[number]) / 2
    return Pictures(frames.astype(np.uint8), classes, places)


def as_values(frames: np.ndarray) -> torch.Tensor:
    """Return frames, uint8 (N, H, W, 3), as the transformer takes them: float32 (N, 3, H, W), -1 to 1."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1


def trained_transformer(steps: int = 200, batch: int = 64) -> VisionTransformer:
    """Return the trained module; trained by one thread, so that it is the same each time."""
    threads, pictures = torch.get_num_threads(), made_pictures(steps * batch, seed=0)
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = VisionTransformer((SIDE, SIDE))
        optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3, weight_decay=0.01)
        for start in range(0, steps * batch, batch):
            own = slice(start, start + batch)
            loss = F.cross_entropy(module(as_values(pictures.frames[own])), torch.from_numpy(pictures.classes[own]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    finally:
        torch.set_num_threads(threads)
    return module.eval().requires_grad_(requires_grad=False)
