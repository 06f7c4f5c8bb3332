"""The method written plainly, one picture at a time, in NumPy and SciPy: the batched torch version is held against it.

All in double precision. The gradient is given by a function, so that any network can be put below it.
"""

# ruff: noqa: ARG001
from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Array = NDArray[np.floating]
GradientReader = Callable[[Array], tuple[float, Array]]


def decay(x: Array, g: Array, step: int, s: object) -> Array:
    return x * (1 - s.decay)


def blur(x: Array, g: Array, step: int, s: object) -> Array:
    if step % s.blur_every == 0:
        return np.stack([gaussian_filter(channel, s.blur_radius) for channel in x])
    return x


def small_values(x: Array, g: Array, step: int, s: object) -> Array:
    return np.where(np.abs(x) < np.percentile(np.abs(x), s.small_val_percentile), 0, x)


def small_norms(x: Array, g: Array, step: int, s: object) -> Array:
    norms = np.linalg.norm(x, axis=0)
    return x * (norms >= np.percentile(norms, s.small_norm_percentile))


def signed_contributions(x: Array, g: Array, step: int, s: object) -> Array:
    benefit = (-g * x).sum(0)
    return x * (benefit >= np.percentile(benefit, s.px_benefit_percentile))


def absolute_contributions(x: Array, g: Array, step: int, s: object) -> Array:
    benefit = np.abs((-g * x).sum(0))
    return x * (benefit >= np.percentile(benefit, s.px_abs_benefit_percentile))


def total_variation(x: Array, g: Array, step: int, s: object) -> Array:
    out = x.copy()
    for c in range(x.shape[0]):
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                down = x[c, i + 1, j] - x[c, i, j] if i + 1 < x.shape[1] else 0.0
                right = x[c, i, j + 1] - x[c, i, j] if j + 1 < x.shape[2] else 0.0
                length = np.sqrt(down**2 + right**2 + 1)
                out[c, i, j] += s.tv * (down + right) / length
                if i + 1 < x.shape[1]:
                    out[c, i + 1, j] -= s.tv * down / length
                if j + 1 < x.shape[2]:
                    out[c, i, j + 1] -= s.tv * right / length
    return out


REGULARIZERS: dict[str, tuple[dict[str, float], Callable]] = {
    "decay": ({"decay": 0.05}, decay),
    "blur": ({"blur_radius": 0.8, "blur_every": 3}, blur),
    "small values": ({"small_val_percentile": 20}, small_values),
    "small norms": ({"small_norm_percentile": 33.3}, small_norms),
    "signed contributions": ({"px_benefit_percentile": 12.5}, signed_contributions),
    "absolute contributions": ({"px_abs_benefit_percentile": 60}, absolute_contributions),
    "total variation": ({"tv": 0.7}, total_variation),
}
"""name -> (settings that switch it on, the plain version), in the order of one step."""


def step_size(s: object, objective: float, g: Array) -> float:
    p, squared = s.lr_params, float((g**2).sum())
    if s.lr_policy == "constant":
        return p["lr"]
    desired = (
        p["desired_prog"] if s.lr_policy == "progress" else min(p["early_prog"], p["late_prog_mult"] * (1 - objective))
    )
    return min(p["max_lr"], desired / squared)


def next_image(x: Array, look: GradientReader, step: int, s: object, mean: Array) -> Array:
    """From the (clipped) image that one forward pass sees to the (clipped) image that the next one sees."""
    x = np.asarray(x, np.float64)
    objective, g = look(x)
    x = x + step_size(s, objective, g) * g
    for switch, apply in REGULARIZERS.values():
        if all(getattr(s, name) > 0 for name in switch):
            x = apply(x, g, step, s)
    return np.clip(x + mean, 0, 255) - mean
