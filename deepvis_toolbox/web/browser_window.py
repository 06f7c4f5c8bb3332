"""A window that is shown by pages in browsers, and told by one of them what keys and mouse do."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.live.look import REFERENCE_SIZE, SCALE_RANGE
from deepvis_toolbox.live.window.interface import MouseEvent
from deepvis_toolbox.live.window.key_codes import HELD, RELEASED
from deepvis_toolbox.live.window.screen import USUAL_WINDOW
from deepvis_toolbox.web.changed_parts import Part, PartsEncoder
from deepvis_toolbox.web.key_names import BrowserKeys
from deepvis_toolbox.web.link import NO_NUMBER, EncodedFrame, Link
from deepvis_toolbox.web.messages import Button, KeyPress, Pointer, Size

EVENTS_WAITING = 64
STACKED_BELOW = 0.9
"""Where width is less than this share of height, panes lie above each other."""


class BrowserWindow:
    """Pages may come and go; while none can take a picture, none is drawn. The thread that draws calls what
    `WindowInterface` asks for, the server's thread the rest."""

    idle_seconds = 0.25

    def __init__(self, quality: int, wake: Callable[[], None]) -> None:
        """Take `quality`: of JPEG, 30 to 100; `wake`: makes the thread that draws look at what has come."""
        self._encoder, self._wake = PartsEncoder(quality), wake
        self._drawing = threading.Lock()
        """Held while there is a new picture, so that a page that joins gets the whole of one and all parts since."""
        self._links: list[Link] = []
        self._members = threading.Lock()
        self._keys: deque[tuple[int, str]] = deque(maxlen=EVENTS_WAITING)
        self._mouse: deque[MouseEvent] = deque(maxlen=EVENTS_WAITING)
        self._names = BrowserKeys()
        self._number = 0
        self.source_number: Callable[[], int] = lambda: NO_NUMBER
        """Gives the number of the source's frame that is about to be shown."""
        self._is_urgent = False
        """Whether a person waits for what their key or click does."""
        self.size = USUAL_WINDOW
        self.ratio = 1.0
        """Pixels of the window in one of the page."""
        self.is_open = True

    # -- the thread that draws -------------------------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether a page has been sent everything that was drawn for it: while it shows that, the next is drawn."""
        return any(link.is_ready(self._is_urgent) for link in self.links())

    @property
    def is_stacked(self) -> bool:
        """Whether panes are to lie above each other."""
        return self.size[0] < STACKED_BELOW * self.size[1]

    @property
    def scale(self) -> float:
        """How large text and gaps are: as on the desktop in a window of the page's size, times its pixel ratio."""
        width, height = self.size[0] / self.ratio, self.size[1] / self.ratio
        fitting = 0.0 if self.is_stacked else min(width / REFERENCE_SIZE[0], height / REFERENCE_SIZE[1])
        return self.ratio * max(fitting, SCALE_RANGE[0])

    def show(self, pixels: NDArray[np.uint8], /) -> None:
        """Encode what has changed in RGB pixels H×W×3 once, and leave it for all pages."""
        self._is_urgent = False
        with self._drawing:
            self._number = (self._number + 1) % NO_NUMBER
            frame = self._frame(self._encoder.encode(pixels))
            for link in self.links():
                link.offer(frame)

    def _frame(self, parts: tuple[Part, ...]) -> EncodedFrame:
        return EncodedFrame(self._number, self.source_number(), self._encoder.size, parts)

    def wait_key_code(self, milliseconds: int, /) -> tuple[int, str]:  # noqa: ARG002
        """Return the next key that was pressed, -1 where none was; never waits."""
        return self._keys.popleft() if self._keys else (-1, "")

    def mouse_events(self) -> list[MouseEvent]:
        """Return what the mouse did since the last call, oldest first."""
        events = []
        while self._mouse:
            events.append(self._mouse.popleft())
        return events

    # -- the server's thread ---------------------------------------------------------------------------------------

    def links(self) -> tuple[Link, ...]:
        """Return the pages that show it."""
        with self._members:
            return tuple(self._links)

    def controls(self) -> Iterable[Link]:
        """Return the pages that use it, not only watch."""
        return [link for link in self.links() if link.role == "control"]

    def join(self, link: Link) -> None:
        """Let a page show it."""
        link.on_ready = self._wake
        with self._drawing:
            if self._number:  # a picture that stands still is drawn once
                link.offer(self._frame(self._encoder.whole()))
            with self._members:
                self._links.append(link)
        self._wake()

    def leave(self, link: Link) -> None:
        """Let a page show it no longer."""
        with self._members:
            if link in self._links:
                self._links.remove(link)

    def close(self) -> None:
        """Close it: the thread that draws ends."""
        self.is_open = False
        self._wake()

    def take(self, message: Size | KeyPress | Button | Pointer) -> None:
        """Take what the page in control has to say."""
        if isinstance(message, Size):
            self.size, self.ratio = (message.width, message.height), message.ratio
        elif isinstance(message, Button):
            self._keys.append((1, message.name))
        elif isinstance(message, KeyPress):
            self._take_key(*self._names.named(message))
        else:
            self._take_pointer(MouseEvent(message.what, message.x, message.y, message.turns, message.shift))
        self._is_urgent |= not (isinstance(message, Pointer) and message.what == "move")
        self._wake()

    def _take_key(self, code: int, name: str) -> None:
        if name or not code & (HELD | RELEASED):
            self._keys.append((code, name))

    def _take_pointer(self, event: MouseEvent) -> None:
        if event.kind == "move" and self._mouse and self._mouse[-1].kind == "move":
            self._mouse.pop()  # only where it is now counts
        self._mouse.append(event)
