"""The table of keys, scripts, and what key codes mean on every system."""

from __future__ import annotations

import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live import actions
from deepvis_toolbox.live.keys import Binding, KeyTable
from deepvis_toolbox.live.layout import key_table
from deepvis_toolbox.live.window.key_check import describe_key
from deepvis_toolbox.live.window.key_codes import key_name

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


def test_script_takes_the_table_s_names_and_common_spellings() -> None:
    keys = ("down", "b", "T", "page down", "escape", "shift+right", "", "0")
    assert KEYS.parse_script("down b T PgDn Esc shift+right wait 0") == keys


@pytest.mark.parametrize("script", ["downn", "down F7", "B X"])
def test_script_with_an_unknown_key_names_it(script: str) -> None:
    with pytest.raises(ToolboxError, match=script.split()[-1]):
        KEYS.parse_script(script)


def test_key_check_says_what_a_key_is_and_does() -> None:
    assert "escape; it does: reset" in describe_key(27, "escape")
    assert "65470" in describe_key(65470, "")
