"""One frame and where it came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
