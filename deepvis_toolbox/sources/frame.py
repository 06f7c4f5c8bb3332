"""One frame and where it came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.words.images import Frame


@dataclass(frozen=True)
class FrameInfo:
    """Where a frame came from."""

    source: str
    """The source as the status line names it: `camera 0`, `ostrich.jpg (3 of 500)`, …"""
    number: int
    """Counts the frames of a source from 0."""
    is_still: bool = False
    """The same picture until the user moves on."""
    label: int | None = None
    """The picture's class index, where a list gives one."""


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """One picture from a source."""

    image: NDArray[np.uint8]
    """RGB, H×W×3. Nobody writes to it after it was handed out."""
    info: FrameInfo
    bands: Frame | None = None
    """All bands of the picture, or a pair, H×W×bands, for a network that takes so many."""
    is_picture: bool = True
    """`image` will do for a network that takes no such bands; False: it is there to look at."""

    def given_to(self, takes: Callable[[int], bool]) -> Frame:
        """Return what a network is shown; `takes`: whether it takes frames of so many bands."""
        if self.bands is not None and (takes(self.bands.shape[2]) or not self.is_picture):
            return self.bands
        return self.image
