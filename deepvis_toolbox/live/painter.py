"""Paints the whole window, for the screen and for headless runs alike, into pixels that are used again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.live.layout import Hit, Layout, draw_window, hit
from deepvis_toolbox.live.look import Look, look_for
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot


class Painter:
    """Remembers what it painted last, so that a click finds what was under it."""

    def __init__(self, look: Look | None = None, scale: float | None = None) -> None:
        """`scale`: how large text and gaps are; None: as the window's size suggests."""
        self._look = look or Look()
        self._scale = scale
        self.pixels: NDArray[np.uint8] = np.empty((0, 0, 3), np.uint8)
        """The window painted last, RGB H×W×3."""
        self.layout: Layout | None = None
        """Where the panes lie in the window painted last."""
        self._snapshot: Snapshot | None = None

    def paint(self, state: State, snapshot: Snapshot | None, size: tuple[int, int]) -> NDArray[np.uint8]:
        """The window as RGB uint8 H×W×3, for a size (width, height); overwritten by the next call."""
        width, height = size
        if self.pixels.shape[:2] != (height, width):
            self.pixels = np.empty((height, width, 3), np.uint8)
            self._look = look_for(self._look, width, height, self._scale)
        self.layout = draw_window(self.pixels, state, snapshot, self._look)
        self._snapshot = snapshot
        return self.pixels

    def hit(self, state: State, x: int, y: int) -> Hit | None:
        """What lies at a pixel of the window painted last; None between panes and before the first painting."""
        return None if self.layout is None else hit(self.layout, state, self._snapshot, self._look, x, y)

    def rows_in_list(self, state: State) -> tuple[int, int]:
        """The layer list's first name and how many it shows."""
        from deepvis_toolbox.live.panes import layer_list

        if self.layout is None:
            return 0, 1
        height = self.layout.boxes["layers"].height
        return layer_list.first_row(state, height, self._look), layer_list.visible_rows(height, self._look)
