"""Random but seeded hands at the window: keys, clicks, the wheel, sizes; and what happens to the sources."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

from deepvis_toolbox.live.layout import key_table
from tests.virtual_display import Display

from .vanishing import Pictures, Stream

SIZES = ((1500, 930), (1100, 700), (800, 500), (640, 400), (320, 240), (1580, 980))
"""Of the window; the place where the mouse rests lies in all of them, as keys go to the window below it."""
RESTING_PLACE = ("150", "150")
SHARES = {
    "keys": 55,
    "search": 3,
    "click": 10,
    "double click": 6,
    "drag": 6,
    "wheel": 6,
    "held key": 3,
    "size": 2,
    "source": 9,
}
"""How often each act is done, in parts of 100."""
SOUGHT = ("bus", "207", "block5", "nothing")
SHARE_WITH_SHIFT = 0.3
"""Of the drags."""
SHARE_COMING_BACK = 0.5
"""Of the acts on a source that has vanished."""
_KEYSYMS = {"page up": "Prior", "page down": "Next", "left": "Left", "right": "Right", "up": "Up", "down": "Down",
            "escape": "Escape", "backspace": "BackSpace", "/": "slash", "=": "equal"}  # fmt: skip


def keysyms() -> list[str]:
    """All bound keys but the one that quits, as xdotool calls them."""
    names = [name for binding in key_table().bindings for name in binding.names if name != "q"]
    return [_keysym(name) for name in names]


def _keysym(name: str) -> str:
    shift = "shift+" if name.startswith("shift+") else ""
    bare = name.removeprefix("shift+")
    return shift + _KEYSYMS.get(bare, bare)


class Hands:
    """What a person might do, one act after the other."""

    def __init__(self, display: Display, title: str, sources: tuple[Pictures, Stream], seed: int) -> None:
        self._display, self._title, self._sources = display, title, sources
        self._random = Random(seed)
        self._keys = keysyms()
        self._size = SIZES[0]
        self._acts: dict[str, Callable[[], str]] = {
            "keys": self._press,
            "search": self._search,
            "click": lambda: self._click(1, "1"),
            "double click": lambda: self._click(2, "1"),
            "drag": self._drag,
            "wheel": lambda: self._click(self._random.randint(1, 3), self._random.choice("45")),
            "held key": self._hold,
            "size": self._resize,
            "source": self._change_source,
        }

    def act(self) -> str:
        """Do something; return what."""
        (name,) = self._random.choices(list(SHARES), list(SHARES.values()))
        return self._acts[name]()

    def rest(self) -> None:
        """Wait as a person does: mostly not at all."""
        time.sleep(self._random.choice((0.02, 0.1, 0.3, 1.0)))

    def calm(self) -> None:
        """Bring the sources back and the window to its first size."""
        for source in self._sources:
            source.come_back()
        self._set_size(SIZES[0])

    def press(self, *keysyms: str) -> None:
        """Press one key after the other."""
        self._display.xdotool("mousemove", *RESTING_PLACE, "key", "--clearmodifiers", *keysyms)

    def _press(self) -> str:
        keys = self._random.choices(self._keys, k=self._random.choice((1, 1, 2, 4, 8)))
        self._display.xdotool("mousemove", *RESTING_PLACE, "key", "--delay", "15", *keys)
        return "keys " + " ".join(keys)

    def _hold(self) -> str:
        key, seconds = self._random.choice(self._keys), self._random.uniform(0.2, 1.0)
        self._display.xdotool("mousemove", *RESTING_PLACE, "keydown", key, "sleep", f"{seconds:.2f}", "keyup", key)
        return f"key {key} held for {seconds:.2f} s"

    def _click(self, times: int, button: str) -> str:
        place = self._place()
        self._display.xdotool("mousemove", *place, "click", "--repeat", str(times), "--delay", "50", button)
        return f"button {button} {times} times at {','.join(place)}"

    def _search(self) -> str:
        keys = ["slash", *self._random.choice(SOUGHT), self._random.choice(("Return", "Escape", "BackSpace"))]
        self._display.xdotool("mousemove", *RESTING_PLACE, "key", "--delay", "15", *keys)
        return "keys " + " ".join(keys)

    def _drag(self) -> str:
        start, end = self._place(), self._place()
        shift = self._random.random() < SHARE_WITH_SHIFT
        moves = [
            "mousemove",
            *start,
            "mousedown",
            "1",
            "sleep",
            "0.05",
            "mousemove",
            *end,
            "sleep",
            "0.05",
            "mouseup",
            "1",
        ]
        self._display.xdotool(*(["keydown", "shift", *moves, "keyup", "shift"] if shift else moves))
        return f"{'Shift-' if shift else ''}drag from {','.join(start)} to {','.join(end)}"

    def _place(self) -> list[str]:
        return [str(self._random.randrange(side)) for side in self._size]

    def _resize(self) -> str:
        return self._set_size(self._random.choice(SIZES))

    def _set_size(self, size: tuple[int, int]) -> str:
        width, height = self._size = size
        self._display.xdotool("search", "--name", self._title, "windowsize", str(width), str(height))
        return f"size {width}x{height}"

    def _change_source(self) -> str:
        source = self._random.choice(self._sources)
        if not source.is_whole and self._random.random() < SHARE_COMING_BACK:
            return source.come_back()
        return source.fault(self._random)
