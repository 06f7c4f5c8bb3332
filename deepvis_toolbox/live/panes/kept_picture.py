"""The last picture of a pane that seldom changes: drawn once, then copied."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from deepvis_toolbox.drawing.colours import Pixels


class KeptPicture:
    """Draws again only where something it depends on has changed."""

    def __init__(self) -> None:
        self._key: object = None
        self._picture: Pixels = np.empty((0, 0, 3), np.uint8)

    def draw(self, pixels: Pixels, key: tuple[object, ...], draw: Callable[[Pixels], None]) -> None:
        """Paints what `draw` paints; `key` holds all that it depends on beside the pane's size."""
        if self._key == key and self._picture.shape == pixels.shape:
            pixels[...] = self._picture
            return
        draw(pixels)
        self._key, self._picture = key, pixels.copy()
