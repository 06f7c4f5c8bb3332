"""Colours and palettes: the 256 colours that palette indices stand for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
"""Red, green, blue, 0–255."""

Pixels = NDArray[np.uint8]
"""RGB uint8, H×W×3: the window, or a pane's view into it, to be painted over."""

Palette = NDArray[np.uint8]
"""RGB uint8 (256, 1, 3): index 0 is what is no value (gaps), 1 to 255 the values."""


def ramp_palette(gap: Colour, stops: Sequence[Colour]) -> Palette:
    """Return a palette, uint8 (256, 1, 3), through `stops`, evenly spaced over the indices 1 to 255; index 0: `gap`."""
    positions = np.linspace(1, 255, len(stops))
    channels = [np.interp(np.arange(256), positions, [stop[channel] for stop in stops]) for channel in range(3)]
    palette = np.round(np.stack(channels, axis=1)).astype(np.uint8)
    palette[0] = gap
    return palette[:, None, :]


def blend(first: Colour, second: Colour, share: float) -> Colour:
    """Return a mix of two colours: `share` (0 to 1) of the second, the rest of the first."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
