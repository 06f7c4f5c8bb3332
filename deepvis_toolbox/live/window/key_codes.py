"""Which key a number from `cv2.waitKeyEx` means, for the Linux (Qt, GTK), macOS and Windows builds of OpenCV.

Qt and GTK give X11 keysyms (`X11/keysymdef.h`); GTK adds the modifier state above bit 16 (bit 16: Shift, 17: Caps Lock,
20: Num Lock). macOS gives Unicode's private function keys (`NSEvent.h`), Windows virtual key codes times 65536.
"""

from __future__ import annotations

NO_KEY = (-1, 255)
"""What `waitKeyEx` returns when nothing was pressed; some builds cut -1 down to one byte."""

HELD, RELEASED = 1 << 30, 1 << 29
"""Bits of a code, where the window system tells: the key is held down and repeats, or it was and has been let go."""

_X11 = {
    0xFF51: "left", 0xFF52: "up", 0xFF53: "right", 0xFF54: "down", 0xFF55: "page up", 0xFF56: "page down",
    0xFF96: "left", 0xFF97: "up", 0xFF98: "right", 0xFF99: "down", 0xFF9A: "page up", 0xFF9B: "page down",
    0xFF1B: "escape", 0xFF8D: "enter", 0xFF0D: "enter", 0xFF08: "backspace", 0xFF09: "tab",
}  # fmt: skip
_X11_KEYPAD_0 = 0xFFB0
_MACOS = {0xF700: "up", 0xF701: "down", 0xF702: "left", 0xF703: "right", 0xF72C: "page up", 0xF72D: "page down"}
_WINDOWS = {0x25: "left", 0x26: "up", 0x27: "right", 0x28: "down", 0x21: "page up", 0x22: "page down"}
_ASCII = {8: "backspace", 9: "tab", 10: "enter", 13: "enter", 27: "escape", 32: "space"}

_GTK_SHIFT = 1


def key_name(code: int, shift: bool | None = None) -> str:
    """Return the key's name: a character, or `left`, `page down`, `escape`, …; named keys with Shift: `shift+left`.

    `shift` says whether Shift is down; None where only the code can tell. Empty for "no key" and unknown keys.
    """
    if code in NO_KEY or code <= 0:
        return ""
    modifiers, key = code >> 16, code & 0xFFFF
    if key == 0:
        return _named(_WINDOWS.get(modifiers, ""), shift)
    if modifiers:
        shift = bool(modifiers & _GTK_SHIFT)
    if key < 128:
        return _named(_ASCII[key], shift) if key in _ASCII else _letter(key, shift)
    if _X11_KEYPAD_0 <= key < _X11_KEYPAD_0 + 10:
        return str(key - _X11_KEYPAD_0)
    return _named(_X11.get(key, "") or _MACOS.get(key, ""), shift)


def _letter(key: int, shift: bool | None) -> str:
    """Shift makes a capital, Caps Lock does not: a command must not change because of a forgotten lock."""
    character = chr(key)
    if not character.isprintable():
        return ""
    if shift is None or not character.isalpha():
        return character
    return character.upper() if shift else character.lower()


def _named(name: str, shift: bool | None) -> str:
    return f"shift+{name}" if name and shift and name != "escape" else name
