"""Functions of the Qt that OpenCV's window is made of, for what OpenCV does not pass on.

On Linux, OpenCV's wheels carry their own Qt. Everything here says None or does nothing where there is no such Qt.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

_QUEUED = 2  # Qt::QueuedConnection: call it when this event has been dealt with
_SHIFT = 0x02000000  # Qt::ShiftModifier
_WITHIN = "_ZN14QtOpenCVPython"  # the namespace that the wheels' Qt lives in

_SYMBOLS = {  # library, the symbol in the wheels' namespace, and in Qt's own
    "keyboard_modifiers": (
        "Gui",
        f"{_WITHIN}15QGuiApplication17keyboardModifiersEv",
        "_ZN15QGuiApplication17keyboardModifiersEv",
    ),
    "cursor_position": ("Gui", f"{_WITHIN}7QCursor3posEv", "_ZN7QCursor3posEv"),
    "widget_at": (
        "Widgets",
        f"{_WITHIN}12QApplication8widgetAtERKNS_6QPointE",
        "_ZN12QApplication8widgetAtERK6QPoint",
    ),
    "register_callback": (
        "Core",
        f"{_WITHIN}9QInternal16registerCallbackENS0_8CallbackEPFbPPvE",
        "_ZN9QInternal16registerCallbackENS_8CallbackEPFbPPvE",
    ),
    "unregister_callback": (
        "Core",
        f"{_WITHIN}9QInternal18unregisterCallbackENS0_8CallbackEPFbPPvE",
        "_ZN9QInternal18unregisterCallbackENS_8CallbackEPFbPPvE",
    ),
    "invoke_method": (
        "Core",
        f"{_WITHIN}11QMetaObject12invokeMethodEPNS_7QObjectEPKcNS_2Qt14ConnectionTypeE"
        f"NS_22QGenericReturnArgumentENS_16QGenericArgumentE{'S8_' * 9}",
        f"_ZN11QMetaObject12invokeMethodEP7QObjectPKcN2Qt14ConnectionTypeE22QGenericReturnArgument"
        f"16QGenericArgument{'S7_' * 9}",
    ),
}


class _Argument(ctypes.Structure):
    """A `QGenericArgument`; an empty one is no argument."""

    _fields_ = (("data", ctypes.c_void_p), ("name", ctypes.c_char_p))


def shift_was_down() -> bool | None:
    """Return whether Shift was down at the last event that Qt delivered; None where there is no Qt to ask."""
    modifiers = qt_function("keyboard_modifiers", ctypes.c_uint)
    return None if modifiers is None else bool(modifiers() & _SHIFT)


def forget_zoom() -> None:
    """OpenCV's Qt window magnifies its picture when the wheel turns: undone before the picture is painted.

    To be called from the mouse callback, that is, before the window magnifies. The view under the pointer has a slot
    `resetZoom` (it is what Ctrl+Z calls there), which is put in the queue before the next painting.
    """
    position = qt_function("cursor_position", ctypes.c_int64)
    widget_at = qt_function("widget_at", ctypes.c_void_p)
    invoke = qt_function("invoke_method", ctypes.c_bool)
    if position is None or widget_at is None or invoke is None:
        return
    invoke.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, *[_Argument] * 11]
    viewport = widget_at(ctypes.byref(ctypes.c_int64(position())))
    view = _parent(viewport) if viewport else None
    if view:
        invoke(view, b"resetZoom", _QUEUED, *[_Argument()] * 11)


def _parent(qobject: int) -> int | None:
    """Return a QObject's parent: its private data, behind the pointer to the virtual functions, holds it third."""
    pointer = ctypes.sizeof(ctypes.c_void_p)
    data = ctypes.c_void_p.from_address(qobject + pointer).value
    return ctypes.c_void_p.from_address(data + 2 * pointer).value if data else None


@cache
def qt_function(name: str, result: type[Any]) -> Any:
    """Return a function of the Qt that this process has loaded, by its name in the table above, or None."""
    library_name, *symbols = _SYMBOLS[name]
    library = _loaded(library_name)
    symbol = next((symbol for symbol in symbols if library is not None and hasattr(library, symbol)), None)
    if symbol is None:
        return None
    function = getattr(library, symbol)
    function.restype = result
    return function


@cache
def _loaded(name: str) -> ctypes.CDLL | None:
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    path = next((line[line.index("/") :] for line in lines if f"libQt5{name}" in line), None)
    return None if path is None else ctypes.CDLL(path)
