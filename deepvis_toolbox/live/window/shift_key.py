"""Whether Shift is down: OpenCV's Qt, macOS and Windows windows do not say it, so the window system is asked.

In a Qt window `T` arrives as `t`, and Shift with an arrow as the arrow alone.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

from deepvis_toolbox.live.window.qt_library import shift_was_down

ShiftQuery = Callable[[], bool | None]

_MACOS_LIBRARY = "/System/Library/Frameworks/ApplicationServices.framework/ApplicationServices"
_MACOS_SHIFT = 0x00020000  # kCGEventFlagMaskShift
_WINDOWS_VK_SHIFT = 0x10


def shift_query() -> ShiftQuery:
    """Return a function that tells whether Shift was down at the last key press; it says None where nobody can tell.

    To be called once a window is open, when the window system's library has been loaded.
    """
    try:
        if sys.platform == "darwin":
            return _macos_query()
        if sys.platform == "win32":
            return _windows_query()
    except (OSError, AttributeError):
        return lambda: None
    return shift_was_down


def _macos_query() -> ShiftQuery:
    flags = ctypes.CDLL(_MACOS_LIBRARY).CGEventSourceFlagsState
    flags.restype, flags.argtypes = ctypes.c_uint64, [ctypes.c_int32]
    return lambda: bool(flags(0) & _MACOS_SHIFT)


def _windows_query() -> ShiftQuery:
    key_state = ctypes.CDLL("user32").GetKeyState
    key_state.restype = ctypes.c_short
    return lambda: bool(key_state(_WINDOWS_VK_SHIFT) & 0x8000)
