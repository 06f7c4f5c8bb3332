"""`--keys`: a small window that tells what a pressed key is, for keyboards and systems nobody has tried."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from deepvis_toolbox.drawing.text import draw_text
from deepvis_toolbox.live.layout import key_table
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.window.key_codes import HELD, NO_KEY, RELEASED
from deepvis_toolbox.live.window.window import Window

SIZE = (640, 160)


def check_keys(tell: Callable[[str], None] = print) -> None:
    """Tell about every key until `q` is pressed or the window is closed."""
    look = Look()
    window = Window("Keys", *SIZE)
    tell("press keys in the window; q or closing it quits")
    sentence = "press a key; q quits"
    name = ""
    while name != "q" and window.is_open:
        pixels = np.full((SIZE[1], SIZE[0], 3), look.panel, np.uint8)
        draw_text(pixels, sentence, 20, SIZE[1] // 2, look.large, look.text, width=SIZE[0] - 40)
        window.show(pixels)
        code, name = window.wait_key_code(50)
        if code not in NO_KEY and not code & (HELD | RELEASED):
            sentence = describe_key(code, name)
            tell(sentence)
    window.close()


def describe_key(code: int, name: str) -> str:
    """Return the code, the key's name, and what it does."""
    does = key_table().meaning(name) or "nothing"
    return f"code {code} (0x{code:x}): {name or 'a key without a name here'}; it does: {does}"
