"""A sparse autoencoder whose code keeps the k largest units (Gao et al. 2024, "Scaling and evaluating sparse
autoencoders"), with their auxiliary loss for units that have died."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F

from deepvis_toolbox.progress import Progress
from deepvis_toolbox.words.images import Floats

_BATCH = 512
_RATE = 2e-3
_DEAD_AFTER = 50
"""Steps without being active after which a unit is revived by the auxiliary loss."""
_AUXILIARY = 1 / 32
_LARGE = 1 << 17


def fitted_autoencoder(
    x: Floats, units: int, active: int, steps: int, seed: int, progress: Progress
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return directions (units, C), bias (units,), decoder (units, C) of unit rows, and centre (C,), for `x` (M, C),
    all of them float32.

    code = the `active` largest of directions · x + bias, none below 0; x ≈ code · decoder + centre. The code is in the
    units of x.
    """
    with _threads_for(units * x.shape[1]):
        return _fitted(x, units, active, steps, seed, progress)


@contextmanager
def _threads_for(weights: int) -> Iterator[None]:
    """Compute small products in one thread: waiting for a second one would take most of the time."""
    before = torch.get_num_threads()
    if weights < _LARGE:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _fitted(
    x: Floats, units: int, active: int, steps: int, seed: int, progress: Progress
) -> tuple[Floats, Floats, Floats, Floats]:
    random = torch.Generator().manual_seed(seed)
    mean = x.mean(0, dtype=np.float64).astype(np.float32)
    scale = float(np.sqrt(np.mean(np.sum(np.square(x - mean), axis=1), dtype=np.float64))) or 1.0
    data = (torch.from_numpy(x) - torch.from_numpy(mean)) / scale
    start = F.normalize(torch.randn(units, x.shape[1], generator=random), dim=1)
    encoder, decoder = start.clone().requires_grad_(), start.clone().requires_grad_()
    bias, centre = torch.zeros(units, requires_grad=True), torch.zeros(x.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([encoder, decoder, bias, centre], lr=_RATE)
    idle = torch.zeros(units)
    for step in range(steps):
        batch = data[torch.randint(len(data), (_BATCH,), generator=random)]
        with torch.enable_grad():
            below = (batch - centre) @ encoder.T + bias
            code = _largest(below, active)
            missing = batch - centre - code @ decoder
            loss = missing.square().sum(1).mean()
            dead = idle > _DEAD_AFTER
            if dead.any():
                revived = _largest(below.masked_fill(~dead, -torch.inf), min(2 * active, int(dead.sum())))
                loss = loss + _AUXILIARY * (missing.detach() - revived @ decoder).square().sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = _RATE * min(1.0, 5 * (1 - step / steps))  # it falls over the last fifth
        optimizer.step()
        with torch.no_grad():
            decoder.copy_(F.normalize(decoder, dim=1))
            idle = torch.where((code > 0).any(0), 0, idle + 1)
        progress.advance()
    directions, rows, offset, moved = (each.detach().numpy() for each in (encoder, decoder, bias, centre))
    mean = mean + scale * moved
    return directions, scale * offset - directions @ mean, rows, mean


def _largest(below: torch.Tensor, count: int) -> torch.Tensor:
    values, units = below.topk(count, dim=1, sorted=False)
    return torch.zeros_like(below).scatter(1, units, values.relu())
