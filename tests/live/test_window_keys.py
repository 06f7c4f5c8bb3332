"""Every key of the table, really pressed: what the display shows afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_letters
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from deepvis_toolbox.live.layout import key_table
from deepvis_toolbox.live.state import State, TextEntry
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.words.unit import Unit

from .conftest import Display, Driver

pytestmark = pytest.mark.display


@pytest.fixture(scope="module")
def driver(display: Display, photos: Path, video: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """The default network on a folder of photos; the second input is a video, as a camera would be."""
    from deepvis_toolbox import load_network

    sources = [open_source(str(photos)), open_source(str(video))]
    driver = Driver(
        display, lambda: load_network("efficientnet-lite0", device="cpu"), sources, tmp_path_factory.mktemp("shots")
    )
    driver.run_until(lambda: bool(driver.state.facts.layers))
    driver.settle()
    yield driver
    driver.close()


@dataclass
class Case:
    """A key: pressed after `before`, it changes what these panes show, and leaves those alone."""

    key: str
    """As xdotool calls it."""
    state: dict[str, Any]
    changes: str
    leaves: str = "input"
    before: str = ""
    table_name: str = ""
    """As the table of keys calls it, where that is not the same."""
    shown: list[str] = field(default_factory=list)
    """Panes that appear."""
    new_picture: bool = False

    def __post_init__(self) -> None:
        self.table_name = self.table_name or self.key


def arrows() -> list[Case]:
    """Moves in the tiles: columns and rows from the place where they start."""
    cases = []
    for key, letter, move, start in (
        ("Right", "l", (0, 1), "Down Right"),
        ("Left", "j", (0, -1), "Down Right Right Right Right"),
        ("Down", "k", (1, 0), "Down Right"),
        ("Up", "i", (-1, 0), "Down Right Down Down Down Down"),
    ):
        row, column = start.count("Down") - 1, start.count("Right")
        for spelling, name in ((key, key.lower()), (letter, letter)):
            one = {"place": (row + move[0], column + move[1]), "cursor_area": "tiles"}
            three = {"place": (row + 3 * move[0], column + 3 * move[1]), "cursor_area": "tiles"}
            fast = f"shift+{key.lower()}" if name == key.lower() else letter.upper()
            cases.append(Case(spelling, one, "tiles selected status", "input layers", start, name))
            cases.append(Case(f"shift+{spelling}", three, "tiles selected status", "input layers", start, fast))
    return cases


CASES = [
    *arrows(),
    Case("Right", {"layer_index": 2, "cursor_area": "layers"}, "layers tiles status", table_name="right"),
    Case("Left", {"layer_index": 0, "cursor_area": "layers"}, "layers tiles status", table_name="left"),
    Case("shift+Right", {"layer_index": 4}, "layers tiles status", table_name="shift+right"),
    Case("Down", {"cursor_area": "tiles", "unit": 0}, "tiles layers", table_name="down"),
    Case("Up", {"cursor_area": "layers"}, "tiles layers", "input", "Down", "up"),
    Case("o", {"layer_index": 2, "cursor_area": "tiles"}, "layers tiles status", "input", "Down"),
    Case("u", {"layer_index": 0, "cursor_area": "tiles"}, "layers tiles status", "input", "Down"),
    Case("shift+o", {"layer_index": 4}, "layers tiles status", table_name="O"),
    Case("shift+u", {"layer_index": 1}, "layers tiles status", "input", "o o o", "U"),
    Case("b", {"backward": "grad", "backward_view": "contributions"}, "backward status", "input tiles"),
    Case("n", {"backward": "deconv"}, "backward status", "input tiles", "n"),
    Case("m", {"backward_view": "averaged"}, "backward status", "input tiles", "b"),
    Case("r", {"order": "maximum"}, "tiles layers", "input selected"),
    Case("shift+r", {"order": "maximum", "only_top": True}, "tiles layers", "input selected", table_name="R"),
    Case("y", {"overlay": "area"}, "input", "tiles layers selected"),
    Case("slash", {"entry": TextEntry()}, "tiles", "input layers selected", table_name="/", shown=["find"]),
    Case("d", {"frozen_origin": "stem:1"}, "layers", "input", "Down Right"),
    Case("a", {"show_gradients": True}, "tiles", "input backward", "o b"),
    Case("z", {"zoom": "unit"}, "tiles", "input layers", "Down Right"),
    Case("t", {"gamma_index": 1}, "tiles status", "input layers backward"),
    Case("shift+t", {"channel_boost_index": 1}, "tiles status", "input layers backward", table_name="T"),
    Case("f", {"camera_frozen": True}, "status", "tiles layers"),
    Case("c", {}, "input tiles status", "layers", new_picture=True),
    Case("e", {}, "input tiles status", "layers", new_picture=True),
    Case("Next", {}, "input tiles status", "layers", table_name="page down", new_picture=True),
    Case("w", {}, "input tiles status", "layers", new_picture=True),
    Case("Prior", {}, "input tiles status", "layers", table_name="page up", new_picture=True),
    Case("0", {"stretch": True}, "input tiles", "layers"),
    Case("8", {"show_labels": False}, "classes", "input tiles layers"),
    Case("p", {}, "", "input tiles layers"),
    Case("h", {"show_help": True}, "tiles input layers", "", shown=["help"]),
    Case("5", {"show_timings": True}, "tiles", "input layers", shown=["timings"]),
    Case("x", {"edits": "stem:0 off", "is_changed": True}, "tiles selected classes layers status", "input", "Down",
         shown=["what if"]),
    Case("space", {"marked": (Unit("stem", 1),)}, "tiles", "input layers selected", "Down Right"),
    Case("shift+a", {"tiles_show": "changes"}, "tiles selected", "input layers", "Down x", "A"),
    Case("v", {"why": "feeds"}, "", "input layers tiles", "o Down", shown=["why"]),
    Case("6", {"show_occlusion": True}, "", "input layers tiles", "o Down", shown=["occlusion"]),
    Case("1", {"perturbation": "noise 10"}, "input tiles classes layers status", "backward", shown=["what if"]),
    Case("equal", {"tiles_show": "now − pinned"}, "tiles selected input classes status", "layers", "Down", "="),
    Case("shift+n", {"show_most_different": True}, "layers", "input tiles", "Down equal", "N",
         shown=["most different"]),
    Case("Escape", {"unit": 1, "backward": "off", "zoom": "tiles", "cursor_area": "tiles"},
         "tiles backward", "", "Down Right b z", "escape"),
]  # fmt: skip


def seen(state: State, name: str) -> Any:
    """A field of the state; the selected unit's row and column as `place`, the origin as an address."""
    if name == "place":
        return divmod(state.view.unit, state.facts.tile_columns)
    if name in ("frozen_origin", "perturbation"):
        return str(getattr(state.view, name) or "")
    if name == "edits":
        return ", ".join(map(str, state.view.edits))
    return getattr(state.view, name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.before} {case.key}".strip().replace(" ", "-"))
def test_key_changes_what_the_display_shows(driver: Driver, case: Case) -> None:
    driver.reset()
    for key in case.before.split():
        driver.key(key)
    before, picture = driver.panes(), driver.picture
    driver.key(case.key)
    if case.new_picture:
        driver.run_until(lambda: driver.picture != picture)
        driver.settle()
    after = driver.panes()
    assert {name: seen(driver.state, name) for name in case.state} == case.state
    changed = {name for name in before if name in after and not np.array_equal(before[name], after[name])}
    assert set(case.changes.split()) <= changed
    assert not set(case.leaves.split()) & changed
    assert all(name in after for name in case.shown)
    if case.key != "c":  # a video runs on
        driver.run_until(lambda: np.array_equal(driver.screen(), driver.loop.painter.pixels))


PRESSED_ELSEWHERE = {*"q9sSgDPXVHWGC2347B", "backspace"}


def test_every_key_of_the_table_is_pressed_here() -> None:
    names = {name for binding in key_table().bindings for name in binding.names}
    assert names - {case.table_name for case in CASES} == PRESSED_ELSEWHERE & names


def test_a_key_that_does_nothing_is_told_with_the_key_that_lists_the_others(driver: Driver) -> None:
    driver.reset()
    unbound = next(name for name in ascii_letters if name not in {n for b in key_table().bindings for n in b.names})
    driver.display.xdotool("key", unbound)
    told = f'the key "{unbound}" does nothing; h lists those that do'
    driver.run_until(lambda: driver.state.facts.message == told)
    driver.settle()  # it goes by itself


def test_a_key_films_the_window_and_ends_the_film(driver: Driver) -> None:
    driver.reset()
    driver.display.xdotool("key", "P")
    driver.run_until(lambda: driver.state.facts.is_filming)
    path = Path(driver.state.facts.message.removeprefix("recording to "))
    driver.key("Down")
    driver.display.xdotool("key", "P")
    driver.run_until(lambda: not driver.state.facts.is_filming)
    driver.run_until(lambda: driver.state.facts.message.startswith("saved"))
    film = cv2.VideoCapture(str(path))
    assert film.read()[0]


def test_screenshot_key_saves_what_the_display_shows_with_its_settings(driver: Driver) -> None:
    driver.reset()
    for key in ("Down", "Right", "b"):
        driver.key(key)
    shown = driver.panes()
    driver.display.xdotool("key", "p")
    driver.run_until(lambda: driver.state.facts.message.startswith("saved"))
    path = Path(driver.state.facts.message.removeprefix("saved "))
    with Image.open(path) as picture:
        saved = np.asarray(picture)
        made_by = json.loads(picture.text["deepvis_toolbox"])  # type: ignore[attr-defined]
    layout = driver.loop.painter.layout
    assert layout is not None
    for name, box in layout.boxes.items():
        if name in ("input", "selected", "backward", "layers"):  # the status line counts on; a message covers tiles
            assert np.array_equal(saved[box.top : box.bottom, box.left : box.right], shown[name])
    assert made_by["unit"] == "stem:1"
    assert made_by["backward"] == "grad"
    assert made_by["settings"] == {"model": "under test"}
