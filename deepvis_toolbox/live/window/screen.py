"""How large the screen is, asked of the window system: a window that is larger hides its status line."""

from __future__ import annotations

import ctypes
import os
import sys

USUAL_WINDOW = (1500, 930)
"""Width and height in pixels, where the screen's size is not known; others have the same shape."""
SHARE_OF_WIDTH, SHARE_OF_HEIGHT = 0.97, 0.9
"""How much of the screen a window takes: its frame and the desktop's bars need the rest."""

_COREGRAPHICS = "/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics"


def window_size(width: int | None, height: int | None) -> tuple[int, int]:
    """Return (width, height) of the window to open; None: as the screen allows, in the usual shape."""
    screen = screen_size()
    factor = 1.0
    if screen is not None:
        factor = min(SHARE_OF_WIDTH * screen[0] / USUAL_WINDOW[0], SHARE_OF_HEIGHT * screen[1] / USUAL_WINDOW[1])
    return width or round(USUAL_WINDOW[0] * factor), height or round(USUAL_WINDOW[1] * factor)


def screen_size() -> tuple[int, int] | None:
    """Return (width, height) of the screen in pixels; None where nobody tells."""
    try:
        if sys.platform == "darwin":
            return _macos_size()
        if sys.platform == "win32":
            return _windows_size()
        return _x11_size()
    except (OSError, AttributeError):  # no such library, or another one under its name
        return None


def _x11_size() -> tuple[int, int] | None:
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(x11.XOpenDisplay(os.environ.get("DISPLAY", "").encode() or None))
    if not connection.value:
        return None
    screen = x11.XDefaultScreen(connection)
    size = x11.XDisplayWidth(connection, screen), x11.XDisplayHeight(connection, screen)
    x11.XCloseDisplay(connection)
    return size


def _windows_size() -> tuple[int, int]:
    user32 = ctypes.CDLL("user32")
    return user32.GetSystemMetrics(0), user32.GetSystemMetrics(1)


def _macos_size() -> tuple[int, int]:
    graphics = ctypes.CDLL(_COREGRAPHICS)
    display = graphics.CGMainDisplayID()
    graphics.CGDisplayPixelsWide.restype = graphics.CGDisplayPixelsHigh.restype = ctypes.c_size_t
    return graphics.CGDisplayPixelsWide(display), graphics.CGDisplayPixelsHigh(display)
