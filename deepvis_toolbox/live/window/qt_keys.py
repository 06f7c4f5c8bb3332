"""Every key press that OpenCV's Qt window gets, in order and with Shift.

OpenCV keeps only the last key of those that arrive while the program draws, and forgets Shift. Qt tells a callback of
every event before it delivers it; that is where the presses are read, from the fields of its QKeyEvent. This is for
the 64-bit Qt 5 that OpenCV's Linux wheels bring: its layout is final. Elsewhere OpenCV's own key codes are used.
"""

from __future__ import annotations

import atexit
import ctypes
from collections import deque

from deepvis_toolbox.live.window.key_codes import HELD, RELEASED, key_name
from deepvis_toolbox.live.window.letter_keys import LetterKeys
from deepvis_toolbox.live.window.qt_library import qt_function

_EVENT_NOTIFY = 0  # QInternal::EventNotifyCallback
_KEY_PRESS, _KEY_RELEASE = 6, 7
_SHIFT, _CONTROL, _ALT = 0x02000000, 0x04000000, 0x08000000

_Callback = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.POINTER(ctypes.c_void_p))


class _KeyEvent(ctypes.Structure):
    """QEvent, QInputEvent and QKeyEvent of Qt 5 on 64-bit machines."""

    _fields_ = (
        ("virtual_functions", ctypes.c_void_p),
        ("private", ctypes.c_void_p),
        ("type", ctypes.c_ushort),
        ("flags", ctypes.c_ushort),
        ("modifiers", ctypes.c_int),
        ("timestamp", ctypes.c_ulong),
        ("text", ctypes.c_void_p),
        ("key", ctypes.c_int),
        ("scan_code", ctypes.c_uint32),
        ("keysym", ctypes.c_uint32),
        ("native_modifiers", ctypes.c_uint32),
        ("count", ctypes.c_ushort),
        ("repeats", ctypes.c_ushort),
    )


class QtKeys:
    """The presses since the last look: there is one queue, as there is one keyboard."""

    def __init__(self) -> None:
        self.presses: deque[tuple[int, str]] = deque(maxlen=64)
        """(X11 keysym, with `HELD` or `RELEASED` where that is so; the key's name or nothing), oldest first."""
        self._letters = LetterKeys()
        self._last: tuple[int, int, int] | None = None
        self._held = ""
        self._callback = _Callback(self._notice)

    def listen(self) -> bool:
        """From now on presses are queued. False where there is no such Qt."""
        register = qt_function("register_callback", ctypes.c_bool)
        unregister = qt_function("unregister_callback", ctypes.c_bool)
        if register is None or unregister is None or ctypes.sizeof(ctypes.c_void_p) != 8:
            return False
        if register(_EVENT_NOTIFY, self._callback):
            atexit.register(unregister, _EVENT_NOTIFY, self._callback)
            return True
        return False

    def _notice(self, data: ctypes._Pointer[ctypes.c_void_p]) -> bool:
        """Notice an event; called for every one with [receiver, event, result]; False: Qt goes on as ever."""
        address = data[1]
        kind = ctypes.c_ushort.from_address(address + _KeyEvent.type.offset).value
        if kind == _KEY_RELEASE:
            self._last = None
            self._release(_KeyEvent.from_address(address))
        elif kind == _KEY_PRESS:
            self._press(address, _KeyEvent.from_address(address))
        return False

    def _press(self, address: int, event: _KeyEvent) -> None:
        identity = (address, event.timestamp, event.keysym)
        if identity == self._last:  # the window hands the same event on to the picture in it
            return
        self._last = identity
        name = self._name(event)
        is_repeated = bool(event.repeats & 1)
        self._held = name if is_repeated else ""
        self.presses.append((event.keysym | (HELD if is_repeated else 0), name))

    def _release(self, event: _KeyEvent) -> None:
        """Note that a key which repeated has been let go; between repeats Qt tells of releases that are none."""
        if self._held and not event.repeats & 1 and self._name(event).lower() == self._held.lower():
            self.presses.append((event.keysym | RELEASED, self._held))
            self._held = ""

    def _name(self, event: _KeyEvent) -> str:
        is_shortcut = bool(event.modifiers & (_CONTROL | _ALT))  # means nothing here, as keys without a name
        keysym = self._letters.keysym(event.keysym, event.scan_code)
        return "" if is_shortcut else key_name(keysym, bool(event.modifiers & _SHIFT))
