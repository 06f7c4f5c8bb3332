"""What the window calls a key that was pressed in a browser: the same names as on the desktop."""

from __future__ import annotations

from deepvis_toolbox.live.window.key_codes import HELD, RELEASED
from deepvis_toolbox.live.window.letter_keys import LETTER_CODES, LetterKeys
from deepvis_toolbox.web.messages import KeyPress

_NAMED = {
    "ArrowLeft": "left", "ArrowUp": "up", "ArrowRight": "right", "ArrowDown": "down", "PageUp": "page up",
    "PageDown": "page down", "Escape": "escape", "Enter": "enter", "Backspace": "backspace", "Tab": "tab", " ": "space",
}  # fmt: skip
_CODES = {f"Key{letter.upper()}": code for code, letter in LETTER_CODES.items()}
_LATIN_1, _UNICODE = 0x100, 0x1000000
"""X11's numbers of signs: their own up to Latin 1, with this bit beyond."""


class BrowserKeys:
    """Names keys one after the other; letters of other alphabets by where they lie, as the desktop does."""

    def __init__(self) -> None:
        self._letters = LetterKeys()

    def named(self, press: KeyPress) -> tuple[int, str]:
        """Return a number, with `HELD` or `RELEASED` where that is so, and the key's name; empty where it has none."""
        state = RELEASED if press.up else HELD if press.repeats else 0
        return 1 | state, self._name(press)

    def _name(self, press: KeyPress) -> str:
        if press.key in _NAMED:
            name = _NAMED[press.key]
            return f"shift+{name}" if press.shift and name not in ("escape", "space") else name
        if len(press.key) != 1 or not press.key.isprintable():
            return ""
        number = ord(press.key)
        keysym = self._letters.keysym(number if number < _LATIN_1 else number | _UNICODE, _CODES.get(press.code, 0))
        sign = chr(keysym) if keysym < _LATIN_1 else ""
        if not (sign.isascii() and sign.isalpha()):
            return sign if sign.isascii() else ""
        return sign.upper() if press.shift else sign.lower()  # Caps Lock does not count
