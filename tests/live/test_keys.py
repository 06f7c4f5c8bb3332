"""The table of keys, scripts, and what key codes mean on every system."""

from __future__ import annotations

import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live import actions
from deepvis_toolbox.live.keys import Binding, KeyTable
from deepvis_toolbox.live.layout import key_table
from deepvis_toolbox.live.window.key_check import describe_key
from deepvis_toolbox.live.window.key_codes import key_name
from deepvis_toolbox.live.window.letter_keys import LetterKeys

KEYS = key_table()


def test_no_key_means_two_things() -> None:
    names = [name for binding in KEYS.bindings for name in binding.names]
    assert len(names) == len(set(names))
    twice = Binding(("q",), actions.toggle_help, "Mine", "show more")
    with pytest.raises(ToolboxError, match=r'the key "q" \(show more\) is taken already: quit'):
        KeyTable([*KEYS.bindings, twice])


def test_every_key_of_the_original_is_there() -> None:
    names = {name for binding in KEYS.bindings for name in binding.names}
    assert names >= {*"jlkiJLKIuobnmdaztTfcew08ph5q", "left", "right", "up", "down", "page down", "page up", "escape"}
    assert names >= {"shift+left", "shift+right", "shift+up", "shift+down"}


@pytest.mark.parametrize(
    ("code", "shift", "name"),
    [
        (-1, None, ""), (255, None, ""), (0, None, ""), (65505, None, ""), (65509, None, ""), (0xFFFFFFFF, None, ""),
        (ord("b"), None, "b"), (ord("T"), None, "T"), (ord("t"), True, "T"), (ord("T"), False, "t"),
        (27, None, "escape"),
        (65361, False, "left"), (65362, None, "up"), (65363, True, "shift+right"), (65364, None, "down"),
        (65365, None, "page up"), (65366, None, "page down"), (65430, None, "left"), (65461, None, "5"),
        (0x10FF53, None, "right"), (0x11FF53, None, "shift+right"), (0x100062, None, "b"), (0x110054, None, "T"),
        (0x120042, None, "b"), (0x10001B, None, "escape"),
        (63232, None, "up"), (63233, None, "down"), (63234, None, "left"), (63235, True, "shift+right"),
        (63276, None, "page up"), (63277, None, "page down"),
        (2490368, None, "up"), (2621440, None, "down"), (2424832, None, "left"), (2555904, True, "shift+right"),
        (2162688, None, "page up"), (2228224, None, "page down"),
    ],
)  # fmt: skip
def test_key_codes_of_qt_gtk_macos_and_windows(code: int, shift: bool | None, name: str) -> None:
    assert key_name(code, shift) == name


@pytest.mark.parametrize(
    ("presses", "named"),
    [
        ([(0x6CA, 24), (0x6C3, 54), (0x6D9, 26)], "qce"),  # Russian
        ([(ord(";"), 24), (0x7E3, 40)], "qd"),  # Greek, whose q is a semicolon
        ([(ord("/"), 24), (0xCE2, 40), (ord("'"), 25)], "qdw"),  # Hebrew
        ([(0x10010E5, 24)], "q"),  # Georgian, a letter by its number in Unicode
        ([(ord("a"), 38), (ord("'"), 24), (ord("x"), 56)], "a'x"),  # Dvorak's apostrophe
        ([(0x2B9, 31)], "i"),  # Turkish, i without its dot
        ([(ord("q"), 38), (ord("a"), 24)], "qa"),  # French: Latin letters count by themselves
        ([(ord("5"), 14), (0xFF51, 113), (0x6CA, 24), (ord("8"), 17)], ["5", "left", "q", "8"]),
    ],
)
def test_a_letter_key_is_known_by_its_place_where_it_writes_no_latin_letter(
    presses: list[tuple[int, int]], named: list[str] | str
) -> None:
    keys = LetterKeys()
    assert [key_name(keys.keysym(*press), shift=False) for press in presses] == list(named)


def test_script_takes_the_table_s_names_and_common_spellings() -> None:
    keys = ("down", "b", "T", "page down", "escape", "shift+right", "", "0")
    assert KEYS.parse_script("down b T PgDn Esc shift+right wait 0") == keys


@pytest.mark.parametrize("script", ["downn", "down F7", "B ~"])
def test_script_with_an_unknown_key_names_it(script: str) -> None:
    with pytest.raises(ToolboxError, match=script.split()[-1]):
        KEYS.parse_script(script)


def test_key_check_says_what_a_key_is_and_does() -> None:
    assert "escape; it does: reset" in describe_key(27, "escape")
    assert "65470" in describe_key(65470, "")
