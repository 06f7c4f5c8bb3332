"""Paints the whole window, for the screen and for headless runs alike, into pixels that are used again."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.live.kept import Kept
from deepvis_toolbox.live.layout import Layout, draw_window, hit, key_table, make_layout
from deepvis_toolbox.live.look import Look, look_for
from deepvis_toolbox.live.panes.pane import Hit, Pane
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot


class Painter:
    """Remembers what it painted last, so that a click finds what was under it."""

    def __init__(
        self, look: Look | None = None, scale: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take `scale`: how large text and gaps are; None: as the window's size suggests. `clock`: seconds."""
        self.look = look or Look()
        self.keys = key_table()
        self.pixels: NDArray[np.uint8] = np.empty((0, 0, 3), np.uint8)
        """The window painted last, RGB H×W×3."""
        self.layout: Layout | None = None
        """Where the panes lie in the window painted last."""
        self.clock = clock
        self.scale = scale
        """As given; from the next size on."""
        self._kept = Kept()
        self._snapshot: Snapshot | None = None
        self._now = 0.0

    def arrange(self, state: State, snapshot: Snapshot | None, size: tuple[int, int]) -> Layout:
        """Return where everything lies in a window of a size (width, height); its `facts` are for the state."""
        width, height = size
        if self.pixels.shape[:2] != (height, width):
            self.pixels = np.empty((height, width, 3), np.uint8)
            self.look = look_for(self.look, width, height, self.scale)
        self._snapshot, self._now = snapshot, self.clock()
        self.layout = make_layout(width, height, self._scene(state))
        return self.layout

    def paint(self, state: State, snapshot: Snapshot | None, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the window as RGB uint8 H×W×3, for a size (width, height); overwritten by the next call."""
        self.arrange(state, snapshot, size)
        return self.paint_arranged(state)

    def paint_arranged(self, state: State) -> NDArray[np.uint8]:
        """Do as `paint`, for what was arranged last."""
        assert self.layout is not None
        draw_window(self.pixels, self.layout, self._scene(state))
        return self.pixels

    def hit(self, state: State, x: int, y: int) -> tuple[Pane, Hit] | None:
        """Return what lies at a pixel of the window painted last; None between panes, and before the first one."""
        return None if self.layout is None else hit(self.layout, self._scene(state), x, y)

    @property
    def wants_drawing(self) -> bool:
        """Whether something is to be drawn that had to wait for its time."""
        return self._kept.wants_drawing(self.clock())

    def _scene(self, state: State) -> Scene:
        return Scene(state, self._snapshot, self.look, self.keys, self._kept, self._now)
