"""From float maps to palette indices: normalised by layer and by channel, brightened by a gamma."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

GAP = 0
"""The palette index of what is no tile; values take 1 to 255."""
ZERO_SIGNED = 128
"""The palette index of zero where values may be negative; 1 is the most negative, 255 the most positive."""

_FINE_STEPS = 4094
"""A gamma below 1 stretches small values; this many steps before it keep it smooth in 8 bits after it."""


@dataclass(frozen=True)
class Levels:
    """Maps as palette indices."""

    indices: NDArray[np.uint8]
    """(C, H, W), 1 to 255."""
    low: float
    high: float
    """The least and the greatest finite value."""
    signed: bool
    """Zero has index 128 (else 1)."""
    not_finite: int = 0
    """How many values were NaN or infinite; they are shown as zero."""
    full: float = 0.0
    """The size of a value that gets the full colour where all channels have one scale; larger ones get it too."""


def to_levels(
    maps: NDArray[np.float32], gamma: float = 1.0, channel_boost: float = 0.0, signed: bool | None = None
) -> Levels:
    """Return the palette indices, uint8 (C, H, W), of maps, float32 (C, H, W) or (C,), which count as (C, 1, 1).

    `channel_boost` 0 scales every channel by the layer's largest absolute value (that of its other channels, where one
    in two hundred is more than four times as large: it would hide the rest), 1 each by its own; between, by
    largest_of_layer^(1 - boost) · largest_of_channel^boost. Brightness is then |value|^gamma. `signed` None: where
    there are negative values.
    """
    flat = np.ascontiguousarray(maps, dtype=np.float32).reshape(maps.shape[0], -1)
    shape = maps.shape if maps.ndim == 3 else (maps.shape[0], 1, 1)
    if flat.size == 0:
        return Levels(np.ones(shape, np.uint8), 0.0, 0.0, bool(signed))
    not_finite = 0
    highs, lows = flat.max(1), flat.min(1)
    if not (np.isfinite(highs).all() and np.isfinite(lows).all()):
        finite = np.isfinite(flat)
        not_finite = int(flat.size - finite.sum())
        flat = np.where(finite, flat, np.float32(0))
        highs, lows = flat.max(1), flat.min(1)
    if signed is None:
        signed = bool(lows.min() < 0)
    sizes = np.maximum(highs, -lows).astype(np.float64)
    full = _full_size(sizes)
    indices = _indices(flat, _scales(sizes, full, channel_boost), signed, gamma, clipped=full < sizes.max())
    return Levels(indices.reshape(shape), float(lows.min()), float(highs.max()), signed, not_finite, full)


def _full_size(sizes: NDArray[np.float64]) -> float:
    """Return the largest value of the layer, or of its other channels where one in two hundred is far larger."""
    largest = float(sizes.max())
    if len(sizes) < 2:
        return largest
    outliers = max(1, len(sizes) // 200)
    rest = float(np.partition(sizes, -outliers - 1)[-outliers - 1])
    return rest if 0 < rest < largest / 4 else largest


def _scales(sizes: NDArray[np.float64], full: float, channel_boost: float) -> NDArray[np.float64]:
    """Return what each channel is multiplied by so that its values lie in -1..1, but for those of outliers."""
    reference = full ** (1 - channel_boost) * sizes**channel_boost
    return 1 / np.where(reference > 1e-30, reference, np.inf)


def _indices(
    flat: NDArray[np.float32], scales: NDArray[np.float64], signed: bool, gamma: float, clipped: bool
) -> NDArray[np.uint8]:
    steps = 254 if gamma == 1 else _FINE_STEPS
    span = steps // 2 if signed else steps
    scaled = flat * (scales * span).astype(np.float32)[:, None]
    if clipped:
        np.clip(scaled, -span, span, out=scaled)
    scaled += np.float32((1 + span if signed else 1) + 0.5)
    if not signed:  # negative values, where the caller wants none shown
        np.maximum(scaled, 1, out=scaled)
    if gamma == 1:
        return scaled.astype(np.uint8)
    return _gamma_table(gamma, signed).take(scaled.astype(np.uint16), mode="clip")


@lru_cache(maxsize=32)
def _gamma_table(gamma: float, signed: bool) -> NDArray[np.uint8]:
    positions = np.arange(_FINE_STEPS + 2, dtype=np.float64) - 1
    if not signed:
        return np.round(1 + 254 * np.clip(positions / _FINE_STEPS, 0, 1) ** gamma).astype(np.uint8)
    values = positions / (_FINE_STEPS // 2) - 1
    bent = np.sign(values) * np.minimum(np.abs(values), 1) ** gamma
    return np.round(ZERO_SIGNED + 127 * bent).astype(np.uint8)
