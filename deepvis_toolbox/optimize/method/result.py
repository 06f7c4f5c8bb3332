"""What one ascent gives: the images worth keeping and what happened at every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.optimize.method.starts import CLUSTERS, ClusterStarts
from deepvis_toolbox.optimize.method.targets import Target

Outcome = Literal["majority", "no majority", "zero gradient", "not finite"]
FAILURES: tuple[Outcome, ...] = ("zero gradient", "not finite")
NOISE = ("mean_plus_rand", "randu")
"""The start images that show nothing."""
PixelImage = NDArray[np.float32]
"""float32 (C, H, W), zero-centred, in pixel units (0-255 scale, mean subtracted), the network's channel order."""


@dataclass(frozen=True, eq=False)
class AscentResult:
    """One picture's ascent; every array over the steps has one entry for each time the image was looked at."""

    unit: Target
    """What was climbed: a unit with its place, a direction, or a picture to match."""
    seed: int
    best: PixelImage
    """The image with the best objective: the largest, or for push_dir -1 the smallest. Equal ones are ranked by the
    value below the rectifier, then the first counts."""
    last: PixelImage
    majority: PixelImage | None
    """The first image for which the unit was the largest (push_dir -1: smallest) of its layer at its place."""
    objective: NDArray[np.float32]
    """(steps,): the activation."""
    below: NDArray[np.float32]
    """(steps,): the same below the layer's rectifier."""
    largest: NDArray[np.int64]
    """(steps,): the unit of the layer that was largest (push_dir -1: smallest) at the place; -1 where there is none."""
    is_max: NDArray[np.bool_]
    """(steps,): whether that was the unit climbed."""
    norm: NDArray[np.float32]
    """(steps,): Euclidean norm of the image, pixel units."""
    distance: NDArray[np.float32]
    """(steps,): Euclidean distance from the start image as drawn (before it was clipped to 0-255), pixel units."""
    std: NDArray[np.float32]
    """(steps,): standard deviation of the image's values, pixel units."""
    best_step: int
    """At which step `best` was seen; -1 where no step gave a finite objective."""
    outcome: Outcome
    """`majority`: it became the largest of its layer; `zero gradient`, `not finite`: why the ascent ended early."""

    @property
    def has_failed(self) -> bool:
        """Whether the ascent ended early and has seen nothing better than its start, which is no preferred image."""
        return is_start(self.outcome, len(self.objective), self.best_step)

    def found_nothing(self, start_at: object) -> bool:
        """Return whether its best image is no preferred image: the start of an ascent that failed, or noise.

        `start_at`: of the settings.
        """
        return is_start(self.outcome, len(self.objective), self.best_step, start_at)


def is_start(outcome: object, steps: object, best_step: object, start_at: object = None) -> bool:
    """Return whether the best image of an ascent that ended so is no more than its start, noise or a dead end.

    One that was to look only once has not failed.
    """
    noise_kept = _is_no_picture(start_at) and isinstance(steps, int) and steps > 1
    return (outcome in FAILURES or noise_kept) and isinstance(best_step, int) and best_step <= 0


def _is_no_picture(start_at: object) -> bool:
    """Return whether a start, as settings or records say it, is noise, or the blurred mean of a cluster."""
    if isinstance(start_at, ClusterStarts):
        return True
    return isinstance(start_at, str) and (start_at in NOISE or start_at.startswith(f"{CLUSTERS}:"))
