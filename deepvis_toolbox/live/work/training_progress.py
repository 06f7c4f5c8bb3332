"""What the window shows of a training that is watched, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.words.images import RGBImage


@dataclass(frozen=True, eq=False)
class FormerTile:
    """The selected unit's map as one checkpoint's network computed it last."""

    checkpoint: str
    map: NDArray[np.float32]
    """(H, W), or (1,) for a unit without places."""
    preferred: RGBImage | None = None
    """Its preferred image as far as it was made while these weights were there; None before the first step."""


@dataclass(frozen=True)
class TrainingProgress:
    """What the window shows of a training."""

    checkpoint: str = ""
    """The name of the weights that are shown."""
    count: int = 0
    """How many checkpoints have been opened."""
    note: str = ""
    """Why the newest one could not be opened; what is shown is then the one before."""
    film: tuple[FormerTile, ...] = field(default=(), compare=False)
    """The selected unit over the checkpoints, oldest first; begins anew with another unit."""
