"""How a row of numbers is made longer or shorter, as a matrix, by any of ONNX's ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

_Row = NDArray[np.float64]


@dataclass(frozen=True)
class Along:
    """A way to resize."""

    mode: str
    """nearest, linear or cubic."""
    coordinates: str
    rounding: str
    cubic: float


def resampled(length: int, wanted: int, scale: float, along: Along) -> torch.Tensor:
    """Return the matrix, float32 (length, wanted), that a row of `length` numbers is multiplied by."""
    places = _places(length, wanted, scale, along)
    if along.mode == "nearest":
        taps = [(_rounded(places, along.rounding), np.ones(wanted))]
    elif along.mode in ("linear", "bilinear"):
        low = np.floor(places)
        taps = [(low, 1 - (places - low)), (low + 1, places - low)]
    elif along.mode == "cubic":
        low = np.floor(places)
        taps = [(low + step, _cubic(np.abs(places - low - step), along.cubic)) for step in (-1, 0, 1, 2)]
    else:
        raise ValueError(f"its mode {along.mode[:20]} is not supported")
    matrix = np.zeros((length, wanted))
    for taken, weight in taps:
        np.add.at(matrix, (np.clip(taken, 0, length - 1).astype(int), np.arange(wanted)), weight)
    return torch.from_numpy(matrix).float()


def _places(length: int, wanted: int, scale: float, along: Along) -> _Row:
    """Return where in the row each new number lies."""
    x = np.arange(wanted, dtype=np.float64)
    ways: dict[str, Callable[[], _Row]] = {
        "half_pixel": lambda: (x + 0.5) / scale - 0.5,
        "half_pixel_symmetric": lambda: length / 2 * (1 - wanted / (scale * length)) + (x + 0.5) / scale - 0.5,
        "pytorch_half_pixel": lambda: (x + 0.5) / scale - 0.5 if wanted > 1 else x * 0,
        "align_corners": lambda: x * (length - 1) / (wanted - 1) if wanted > 1 else x * 0,
        "asymmetric": lambda: x / scale,
    }
    if along.coordinates not in ways:
        raise ValueError(f"its coordinates {along.coordinates[:30]} are not supported")
    return ways[along.coordinates]()


def _rounded(places: _Row, way: str) -> _Row:
    ways: dict[str, Callable[[], _Row]] = {
        "floor": lambda: np.floor(places),
        "ceil": lambda: np.ceil(places),
        "round_prefer_floor": lambda: np.ceil(places - 0.5),
        "round_prefer_ceil": lambda: np.floor(places + 0.5),
    }
    if way not in ways:
        raise ValueError(f"its nearest_mode {way[:30]} is not known")
    return ways[way]()


def _cubic(distance: _Row, a: float) -> _Row:
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0))
