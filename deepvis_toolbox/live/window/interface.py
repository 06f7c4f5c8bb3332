"""What shows the window: OpenCV's on this machine's screen, or a page in a browser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

MouseKind = Literal["click", "double click", "wheel", "move", "release"]


@dataclass(frozen=True)
class MouseEvent:
    """What the mouse did, at a pixel of the picture shown last. A click is told when the button goes down."""

    kind: MouseKind
    x: int
    y: int
    turns: int = 0
    """Notches of the wheel; up is above zero."""
    shift: bool = False
    """Whether Shift is held."""


class WindowInterface(Protocol):
    """What the main loop asks of a window. Everything is called from one thread."""

    @property
    def idle_seconds(self) -> float:
        """How long a snapshot may be waited for before this window is asked for keys again."""
        ...

    @property
    def is_ready(self) -> bool:
        """Whether it can take a picture now; one that cannot would only queue it."""
        ...

    @property
    def is_open(self) -> bool:
        """False once the user has closed it."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the drawing area, in pixels."""
        ...

    def show(self, pixels: NDArray[np.uint8], /) -> None:
        """Show RGB pixels H×W×3, which the caller overwrites later."""
        ...

    def wait_key_code(self, milliseconds: int, /) -> tuple[int, str]:
        """Return the next key that was pressed, waiting at most so long: its number and its name (`key_codes`)."""
        ...

    def mouse_events(self) -> list[MouseEvent]:
        """Return what the mouse did since the last call, oldest first."""
        ...
