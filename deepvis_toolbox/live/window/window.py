"""The window on the screen: shows pixels, and tells which keys were pressed and what the mouse did."""

from __future__ import annotations

import os
import time
from collections import deque
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.live.window.interface import MouseEvent as MouseEvent
from deepvis_toolbox.live.window.key_codes import key_name
from deepvis_toolbox.live.window.qt_keys import QtKeys
from deepvis_toolbox.live.window.qt_library import forget_zoom
from deepvis_toolbox.live.window.shift_key import shift_query
from deepvis_toolbox.shown_text import shown

_ONE_TURN = 120  # what a mouse wheel reports for one notch


class Window:
    """One OpenCV window. Everything is called from the thread that made it."""

    idle_seconds = 0.01
    is_ready = True

    def __init__(self, title: str, width: int, height: int) -> None:
        os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")  # Qt complains about fonts that nobody uses
        self._title = title = shown(title)
        self._mouse: deque[MouseEvent] = deque(maxlen=64)
        self._picture: NDArray[np.uint8] | None = None
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_FREERATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.resizeWindow(title, width, height)
        cv2.setMouseCallback(title, self._on_mouse)
        self._size = width, height
        self._shift_was_down = shift_query()
        self._qt_keys = _qt_keys()

    def show(self, pixels: NDArray[np.uint8]) -> None:
        """Show RGB pixels H×W×3; the screen follows at the next `wait_key_code`."""
        if self._picture is None or self._picture.shape != pixels.shape:
            self._picture = np.empty_like(pixels)
        cv2.imshow(self._title, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR, dst=self._picture))

    def wait_key_code(self, milliseconds: int) -> tuple[int, str]:
        """Let the window system work until a key is pressed, at most that long.

        The key's number (one of `NO_KEY`: none was pressed) and its name, empty where it has none.
        """
        if self._qt_keys is None:
            code = cv2.waitKeyEx(max(1, milliseconds))
            return code, key_name(code, self._shift_was_down())
        if not self._qt_keys.presses:
            # Qt's waitKey looks for events a thousand times a second, which takes a tenth of the network's rate where
            # both share a processor; none is lost by looking once, afterwards.
            time.sleep(max(0, milliseconds - 1) / 1000)
            cv2.waitKeyEx(1)
        return self._qt_keys.presses.popleft() if self._qt_keys.presses else (-1, "")

    def mouse_events(self) -> list[MouseEvent]:
        """Return what the mouse did since the last call, oldest first."""
        events = list(self._mouse)
        self._mouse.clear()
        return events

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the drawing area; the last one known while the window is minimized."""
        try:
            width, height = cv2.getWindowImageRect(self._title)[2:]
        except cv2.error:
            return self._size
        if width > 0 and height > 0:
            self._size = width, height
        return self._size

    @property
    def is_open(self) -> bool:
        """False once the user has closed it."""
        try:
            return bool(cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1)
        except cv2.error:
            return False

    def close(self) -> None:
        """Close the window."""
        if self.is_open:
            cv2.destroyWindow(self._title)
            cv2.waitKey(1)

    def _on_mouse(self, event: int, x: int, y: int, flags: int, _: object) -> None:
        shift = bool(flags & cv2.EVENT_FLAG_SHIFTKEY)
        if event == cv2.EVENT_MOUSEMOVE:
            if self._mouse and self._mouse[-1].kind == "move":  # only where it is now counts
                self._mouse.pop()
            self._mouse.append(MouseEvent("move", x, y, shift=shift))
        elif event == cv2.EVENT_LBUTTONUP:
            self._mouse.append(MouseEvent("release", x, y, shift=shift))
        elif event == cv2.EVENT_LBUTTONDOWN:
            self._mouse.append(MouseEvent("click", x, y, shift=shift))
        elif event == cv2.EVENT_LBUTTONDBLCLK:
            self._mouse.append(MouseEvent("double click", x, y))
        elif event == cv2.EVENT_MOUSEWHEEL:
            forget_zoom()
            self._mouse.append(MouseEvent("wheel", x, y, _turns(flags)))


@cache
def _qt_keys() -> QtKeys | None:
    """Return the queue of key presses, once a window is open; None where OpenCV's own key codes have to do."""
    keys = QtKeys()
    return keys if keys.listen() else None


def _turns(flags: int) -> int:
    """Return notches from a wheel event's flags, whose upper half is the signed way that the wheel went."""
    delta = (flags >> 16) & 0xFFFF
    delta -= 0x10000 if delta & 0x8000 else 0
    return round(delta / _ONE_TURN) or (1 if delta > 0 else -1)
