"""Whether Shift is down: OpenCV's Qt, macOS and Windows windows do not say it, so the window system is asked.

In a Qt window `T` arrives as `t` and Shift with an arrow as the arrow alone.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path

ShiftQuery = Callable[[], bool | None]

_QT_SYMBOLS = (  # QGuiApplication::keyboardModifiers(), in the wheels' renamed namespace and in Qt's own
    "_ZN14QtOpenCVPython15QGuiApplication17keyboardModifiersEv",
    "_ZN15QGuiApplication17keyboardModifiersEv",
)
_QT_SHIFT = 0x02000000
_MACOS_LIBRARY = "/System/Library/Frameworks/ApplicationServices.framework/ApplicationServices"
_MACOS_SHIFT = 0x00020000
_WINDOWS_VK_SHIFT = 0x10


def shift_query() -> ShiftQuery:
    """A function that tells whether Shift was down at the last key press; it says None where nobody can tell.

    To be called once a window is open: the window system's library has been loaded by then.
    """
    try:
        if sys.platform == "darwin":
            return _macos_query()
        if sys.platform == "win32":
            return _windows_query()
        return _qt_query() or _unknown
    except (OSError, AttributeError):
        return _unknown


def _unknown() -> None:
    return None


def _qt_query() -> ShiftQuery | None:
    library_path = _loaded_qt()
    if library_path is None:
        return None
    library = ctypes.CDLL(library_path)
    for symbol in _QT_SYMBOLS:
        if hasattr(library, symbol):
            modifiers = getattr(library, symbol)
            modifiers.restype = ctypes.c_uint
            return lambda: bool(modifiers() & _QT_SHIFT)
    return None


def _loaded_qt() -> str | None:
    """The path of the Qt library that this process has loaded, on Linux."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    return next((line[line.index("/") :] for line in lines if "Qt5Gui" in line or "Qt6Gui" in line), None)


def _macos_query() -> ShiftQuery:
    library = ctypes.CDLL(_MACOS_LIBRARY)
    flags = library.CGEventSourceFlagsState
    flags.restype, flags.argtypes = ctypes.c_uint64, [ctypes.c_int32]
    return lambda: bool(flags(0) & _MACOS_SHIFT)


def _windows_query() -> ShiftQuery:
    key_state = ctypes.CDLL("user32").GetKeyState
    key_state.restype = ctypes.c_short
    return lambda: bool(key_state(_WINDOWS_VK_SHIFT) & 0x8000)
