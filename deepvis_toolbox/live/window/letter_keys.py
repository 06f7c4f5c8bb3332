"""Letter keys by where they lie: on a Russian, Greek or Hebrew keyboard the key at `q`'s place is `q`, too.

X11 gives a key's place as its keycode, the kernel's number plus 8, which is the same on every Linux keyboard.
"""

from __future__ import annotations

_ROWS = {24: "qwertyuiop", 38: "asdfghjkl", 52: "zxcvbnm"}
LETTER_CODES = {first + place: letter for first, row in _ROWS.items() for place, letter in enumerate(row)}
"""{keycode: the Latin letter at its place}."""
_LATIN_1 = range(0xA1, 0x100)
_OTHER_ALPHABETS = range(0x1A1, 0xFE00)
"""X11's keysyms of letters beside Latin 1, as `X11/keysymdef.h` lists them; dead keys and modifiers follow."""
_UNICODE = range(0x1000100, 0x1110000)


class LetterKeys:
    """Reads keys one after the other, and learns from them whether the keyboard writes Latin letters now."""

    def __init__(self) -> None:
        self._writes_latin = False

    def keysym(self, keysym: int, keycode: int) -> int:
        """Return the keysym that names the key: its own, or the Latin letter at its place where it writes none.

        Signs on letter keys are read so only while the keyboard writes no Latin letters: Hebrew has `/` at `q`'s place,
        but the apostrophe that Dvorak has there is an apostrophe.
        """
        if keysym < 128 and chr(keysym).isalpha():
            self._writes_latin = True
            return keysym
        letter = LETTER_CODES.get(keycode)
        if letter is None:
            return keysym
        if keysym in _OTHER_ALPHABETS or keysym in _UNICODE:
            self._writes_latin = False
            return ord(letter)
        is_sign = 0x20 < keysym < 0x7F and not chr(keysym).isdigit()
        return ord(letter) if keysym in _LATIN_1 or (is_sign and not self._writes_latin) else keysym
