"""The real window: mouse, sizes, held keys, errors, and leaving it."""

from __future__ import annotations

import ctypes
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from deepvis_toolbox.drawing.film import Film, FilmStoppedError
from deepvis_toolbox.live.panes import layer_list
from deepvis_toolbox.live.pictures.window_film import WindowFilm
from deepvis_toolbox.live.state import InputPixel, MapPlace, TextEntry
from deepvis_toolbox.live.window.window import Window
from deepvis_toolbox.sources.frame import SourceFrame
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.source import Source
from deepvis_toolbox.words.perturbation import Perturbation
from deepvis_toolbox.words.unit import Unit

from .conftest import Display, Driver

pytestmark = pytest.mark.display


@pytest.fixture(scope="module")
def driver(
    display: Display, photos: Path, load_small: Callable[[], object], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Driver]:
    driver = Driver(display, load_small, [open_source(str(photos))], tmp_path_factory.mktemp("window"))
    driver.run_until(lambda: bool(driver.state.facts.layers))
    driver.settle()
    yield driver
    driver.close()


def test_at_the_start_the_window_says_which_key_lists_the_others(
    display: Display, photos: Path, load_small: Callable[[], object], tmp_path: Path
) -> None:
    driver = Driver(display, load_small, [open_source(str(photos))], tmp_path)
    try:
        driver.run_until(lambda: bool(driver.state.facts.layers))
        assert driver.state.facts.message == "press h for the keys and what the mouse does"
    finally:
        driver.close()


def place_of(driver: Driver, unit: int) -> tuple[str, str]:
    """The middle of a unit's tile in the window."""
    for y in range(0, driver.loop.window.size[1], 4):
        for x in range(0, driver.loop.window.size[0], 4):
            under = driver.loop.painter.hit(driver.state, x, y)
            if under and isinstance(under[1].what, Unit) and under[1].what.channel == unit:
                return str(x + 8), str(y + 8)
    raise AssertionError(f"no tile of unit {unit} in the window")


def row_of(driver: Driver, index: int) -> tuple[str, str]:
    """The middle of a layer's name in the window."""
    layout = driver.loop.painter.layout
    assert layout is not None
    box = layout.boxes["layers"]
    for y in range(box.top, box.bottom):
        under = driver.loop.painter.hit(driver.state, box.left + 20, y)
        if under and under[1].what == driver.state.facts.layers[index]:
            return str(box.left + 20), str(y + 5)
    raise AssertionError(f"no name of layer {index} in the window")


def test_click_on_a_tile_selects_its_unit_and_arrow_keys_still_work(driver: Driver) -> None:
    driver.reset()
    before = driver.panes()
    driver.mouse("mousemove", *place_of(driver, 5), "click", "1")
    assert (driver.state.view.cursor_area, driver.state.view.unit) == ("tiles", 5)
    assert not np.array_equal(before["tiles"], driver.panes()["tiles"])
    driver.key("Right")
    assert driver.state.view.unit == 6


def test_click_on_a_layer_name_shows_that_layer(driver: Driver) -> None:
    driver.reset()
    driver.mouse("mousemove", *row_of(driver, 3), "click", "1")
    assert (driver.state.view.cursor_area, driver.state.view.layer_index) == ("layers", 3)


def test_double_click_zooms_in_and_out(driver: Driver) -> None:
    driver.reset()
    where = place_of(driver, 2)
    driver.mouse("mousemove", *where, "click", "--repeat", "2", "--delay", "60", "1")
    driver.run_until(lambda: driver.state.view.zoom == "unit")
    assert driver.state.view.unit == 2
    time.sleep(0.5)  # else the next click belongs to this double click
    driver.mouse("mousemove", *where, "click", "--repeat", "2", "--delay", "60", "1")
    driver.run_until(lambda: driver.state.view.zoom == "tiles")


def test_typed_text_finds_a_unit_and_enter_goes_there(driver: Driver) -> None:
    driver.reset()
    for key in ("slash", "o", "n", "v", "2", "colon", "shift+7", "BackSpace", "7"):
        driver.key(key)
    assert driver.state.view.entry == TextEntry("onv2:7")
    assert "find" in driver.panes()
    driver.key("Return")
    assert driver.state.address == "conv2:7"
    assert "find" not in driver.panes()
    driver.key("slash")
    driver.key("Escape")
    assert driver.state.view.entry is None
    assert driver.state.address == "conv2:7", "the first Esc only leaves"


def input_place(driver: Driver, right: float, down: float, pane: str = "input") -> tuple[str, str]:
    """A place of the picture in a pane, as shares of its width and height."""
    layout = driver.loop.painter.layout
    assert layout is not None
    box = layout.boxes[pane]
    return str(round(box.left + 2 + right * (box.width - 4))), str(round(box.top + 30 + down * (box.height - 34)))


@pytest.mark.parametrize("with_shift", [False, True])
def test_dragging_in_the_picture_orders_the_tiles_and_a_click_there_forgets_it(
    driver: Driver, with_shift: bool
) -> None:
    driver.reset()
    before, shift = driver.panes(), ("keydown", "shift") if with_shift else ()
    driver.mouse("mousemove", *input_place(driver, 0.2, 0.2), *shift, "mousedown", "1")
    driver.display.xdotool("mousemove", *input_place(driver, 0.5, 0.4))
    driver.run_until(lambda: driver.state.view.dragged is not None)
    driver.run_until(lambda: not np.array_equal(before["input"], driver.panes()["input"]))
    driver.display.xdotool(
        "mousemove", *input_place(driver, 0.7, 0.6), "mouseup", "1", *(("keyup", "shift") * with_shift)
    )
    driver.run_until(lambda: driver.state.view.region is not None)
    driver.settle()
    region = driver.state.view.region
    assert region is not None
    assert region == pytest.approx((6, 6, 19, 23), abs=2)
    assert driver.state.view.region_everywhere is with_shift
    assert ("region" in driver.panes()) is with_shift
    assert list(driver.state.tile_units) != list(range(8))
    assert not np.array_equal(before["tiles"], driver.panes()["tiles"])
    driver.mouse("mousemove", *input_place(driver, 0.9, 0.9), "click", "1")
    driver.run_until(lambda: driver.state.view.region is None)
    driver.settle()
    assert list(driver.state.tile_units) == list(range(8))


def test_a_click_with_shift_marks_a_tile_and_selects_nothing(driver: Driver) -> None:
    driver.reset()
    before = driver.panes()["tiles"]
    selected = driver.state.view.unit
    place = input_place(driver, 0.1, 0.1, "tiles")
    driver.mouse("mousemove", *place, "keydown", "shift", "click", "1", "keyup", "shift")
    driver.run_until(lambda: bool(driver.state.view.marked))
    driver.settle()
    assert driver.state.view.marked == (Unit(driver.state.layer.name, 0),)  # type: ignore[union-attr]
    assert driver.state.view.unit == selected
    assert not np.array_equal(before, driver.panes()["tiles"])
    driver.mouse("mousemove", *place, "keydown", "shift", "click", "1", "keyup", "shift")
    driver.run_until(lambda: not driver.state.view.marked)


def test_a_region_that_was_dragged_is_painted_grey_in_the_picture(driver: Driver) -> None:
    driver.reset()
    before = driver.panes()["input"]
    driver.mouse("mousemove", *input_place(driver, 0.2, 0.2), "mousedown", "1")
    driver.display.xdotool("mousemove", *input_place(driver, 0.5, 0.4))
    driver.run_until(lambda: driver.state.view.dragged is not None)
    driver.display.xdotool("mousemove", *input_place(driver, 0.7, 0.6), "mouseup", "1")
    driver.run_until(lambda: driver.state.view.region is not None)
    driver.key("7")
    driver.settle()
    assert driver.state.view.perturbation == Perturbation(grey=True, region=driver.state.view.region)
    after = driver.panes()["input"]
    middle, corner = (slice(90, 110), slice(110, 130)), (slice(-20, None), slice(-20, None))
    assert np.abs(after[middle].astype(int) - 127).max() < 12
    assert np.abs(before[middle].astype(int) - 127).max() > 20
    np.testing.assert_array_equal(after[corner], before[corner])
    driver.key("7")
    assert not driver.state.view.is_changed


def test_moving_the_mouse_marks_what_belongs_together_and_asks_for_no_more_drawing_than_that(driver: Driver) -> None:
    driver.reset()
    driver.display.xdotool("mousemove", "400", "920")
    driver.run_until(lambda: driver.state.facts.pointed is None)
    driver.settle()
    before, drawn = driver.panes(), driver.loop.drawn
    driver.display.xdotool("mousemove", *input_place(driver, 0.5, 0.5, "selected"))
    driver.run_until(lambda: isinstance(driver.state.facts.pointed, MapPlace))
    driver.settle()
    assert not np.array_equal(before["input"], driver.panes()["input"])
    assert np.array_equal(before["tiles"], driver.panes()["tiles"])
    driver.display.xdotool("mousemove", *input_place(driver, 0.5, 0.5))
    driver.run_until(lambda: isinstance(driver.state.facts.pointed, InputPixel))
    driver.settle()
    assert not np.array_equal(before["tiles"], driver.panes()["tiles"])
    assert driver.loop.drawn - drawn < 12


def test_wheel_over_tiles_changes_the_layer_and_leaves_the_picture_its_size(driver: Driver) -> None:
    driver.reset()
    driver.mouse("mousemove", *place_of(driver, 0), "click", "5")
    assert driver.state.view.layer_index == 2
    driver.mouse("mousemove", *place_of(driver, 0), "click", "4")
    assert driver.state.view.layer_index == 1
    assert np.array_equal(driver.screen(), driver.loop.painter.pixels)  # OpenCV's window would magnify it


def test_wheel_over_the_layer_list_scrolls_it(driver: Driver) -> None:
    driver.reset()
    driver.loop.window._mouse.clear()
    where = row_of(driver, 1)
    driver.mouse("mousemove", *where, "click", "5")
    assert driver.state.view.layer_scroll is not None
    assert driver.state.view.layer_index == 1


def test_window_can_be_resized_and_the_panes_follow(driver: Driver) -> None:
    driver.reset()
    driver.resize(1100, 700)
    assert driver.screen().shape == (700, 1100, 3)
    driver.resize(1500, 930)


def test_a_recording_that_stops_is_said_and_the_window_goes_on(driver: Driver, tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    file = Film(tmp_path / "films" / "film.mp4", 25)
    film = WindowFilm(file, 25)
    driver.loop.options.recording = film
    driver.key("b")
    driver.reset()
    driver.run_until(file.unfinished.is_file)
    shutil.rmtree(tmp_path / "films")
    driver.run_until(lambda: film.problem is not None)
    driver.loop._draw()
    assert driver.state.facts.recording_stopped
    assert driver.state.facts.message.startswith("the recording has stopped: cannot write ")
    driver.key("b")
    assert driver.state.view.backward != "off", "the window lives"
    driver.state.facts.recording_stopped = False
    with pytest.raises(FilmStoppedError, match=r"film\.mp4"), film:
        pass


def test_held_key_does_not_pile_up(driver: Driver) -> None:
    driver.reset()
    driver.key("Down")
    driver.display.xdotool("keydown", "Right")
    started = time.monotonic()
    driver.run_until(lambda: time.monotonic() - started > 1.2)
    driver.display.xdotool("keyup", "Right")
    for _ in range(2):
        driver.loop.step()  # takes all that came while xdotool ran
    moved = driver.state.view.unit
    started = time.monotonic()
    driver.run_until(lambda: time.monotonic() - started > 0.4)
    assert moved > 3
    assert driver.state.view.unit == moved


def test_an_edit_whose_key_is_held_lasts_until_it_is_let_go_and_a_short_press_for_good(driver: Driver) -> None:
    driver.reset()
    driver.key("Down")
    driver.display.xdotool("keydown", "x")
    driver.run_until(lambda: bool(driver.state.view.edits))
    told = driver.window.told
    driver.run_until(lambda: driver.window.told > told + 5)  # it repeats, and nothing happens
    assert driver.state.view.edits
    driver.display.xdotool("keyup", "x")
    driver.run_until(lambda: not driver.state.view.edits)
    driver.settle()
    driver.key("x")
    assert driver.state.view.edits
    driver.key("x")
    assert not driver.state.view.edits


def test_quick_keys_are_all_taken_in_order_with_shift(driver: Driver) -> None:
    driver.reset()
    driver.display.xdotool("key", "--delay", "0", "Down", "shift+Right", "Right", "T", "t", "t")
    driver.run_until(lambda: driver.state.view.gamma_index == 2)
    assert (driver.state.view.unit, driver.state.view.channel_boost_index) == (4, 1)


def test_no_key_codes_change_nothing(driver: Driver) -> None:
    for name in ("", "shift+home", "no such key"):
        assert not driver.loop.painter.keys.press(driver.state, name)


def close_window(display: Display, title: str) -> None:
    """What a window manager does when its close button is clicked: WM_DELETE_WINDOW."""
    import subprocess

    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XInternAtom.restype = ctypes.c_ulong
    connection = ctypes.c_void_p(x11.XOpenDisplay(display.name.encode()))
    found = subprocess.run(
        ["xdotool", "search", "--name", title], env={"DISPLAY": display.name, "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    window = int(found.stdout.split()[0])
    protocols, delete = (x11.XInternAtom(connection, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
    event = (ctypes.c_long * 24)()
    event[0], event[4], event[5], event[6], event[7] = 33, window, protocols, 32, delete
    x11.XSendEvent(connection, ctypes.c_ulong(window), 0, ctypes.c_long(0), ctypes.byref(event))
    x11.XFlush(connection)
    x11.XCloseDisplay(connection)


def test_closing_the_window_ends_the_loop(display: Display) -> None:
    window = Window("To be closed", 300, 200)
    window.show(np.zeros((200, 300, 3), np.uint8))
    display.xdotool("search", "--sync", "--onlyvisible", "--name", "To be closed")
    for _ in range(20):
        window.wait_key_code(10)
    assert window.is_open
    close_window(display, "To be closed")
    deadline = time.monotonic() + 20
    while window.is_open:
        assert time.monotonic() < deadline
        window.wait_key_code(10)
    window.close()  # once more does no harm


class BrokenSource(Source):
    """Brings two frames and then only errors."""

    form, meaning, name = "broken", "a source that fails", "broken source"

    def __init__(self) -> None:
        self.reads = 0

    @classmethod
    def claims(cls, text: str) -> bool:  # noqa: ARG003
        return False

    @classmethod
    def open(cls, text: str, options: SourceOptions) -> BrokenSource:  # noqa: ARG003
        return cls()

    def read(self) -> SourceFrame | None:
        from deepvis_toolbox.sources.frame import FrameInfo

        self.reads += 1
        if self.reads > 2:
            raise RuntimeError("the cable is out")
        return SourceFrame(np.full((40, 40, 3), 90, np.uint8), FrameInfo(self.name, self.reads))


def test_source_and_network_that_raise_show_it_and_the_window_lives(
    display: Display, load_small: Callable[[], object], tmp_path: Path
) -> None:
    class Moody:
        """The small network, failing for one layer."""

        def __init__(self) -> None:
            self.network = load_small()

        def __getattr__(self, name: str) -> object:
            return getattr(self.network, name)

        def __enter__(self) -> Moody:
            return self

        def __exit__(self, *_: object) -> None: ...

        def forward(self, x: object, layers: list[str] | None = None) -> object:
            if layers is None or "pool" in layers:
                raise RuntimeError("out of memory, say")
            return self.network.forward(x, layers)  # type: ignore[attr-defined]

        record = forward

    driver = Driver(display, Moody, [BrokenSource()], tmp_path)  # type: ignore[list-item]
    driver.run_until(lambda: "the cable is out" in driver.state.facts.error)
    driver.run_until(lambda: driver.loop.snapshot is not None and bool(driver.state.facts.layers))
    names = [layer.name for layer in driver.state.facts.layers]
    driver.state.view.layer_index = names.index("pool")
    driver.run_until(lambda: "out of memory, say" in (driver.loop.snapshot.error if driver.loop.snapshot else ""))
    driver.run_until(lambda: not driver.loop.is_dirty)
    assert "error" in driver.panes()
    assert driver.work.worker.is_alive()
    driver.key("h")
    assert driver.state.view.show_help
    driver.close()


def test_without_a_network_the_panes_say_so_and_the_window_lives(
    display: Display, photos: Path, tmp_path: Path
) -> None:
    def load() -> object:
        raise RuntimeError("the disk is gone")

    driver = Driver(display, load, [open_source(str(photos))], tmp_path)
    driver.run_until(lambda: bool(driver.state.facts.error))
    assert driver.state.facts.error == "the network could not be loaded: RuntimeError: the disk is gone"
    assert driver.state.facts.loading == "no network: see the error"
    driver.display.xdotool("key", "h")
    driver.run_until(lambda: driver.state.view.show_help)
    driver.close()


def test_list_scrolls_only_as_far_as_there_are_names(driver: Driver) -> None:
    driver.reset()
    layout = driver.loop.painter.layout
    assert layout is not None
    rows = layer_list.visible_rows(layout.boxes["layers"].height, driver.loop.painter.look)
    driver.mouse("mousemove", *row_of(driver, 1), "click", "5")
    assert driver.state.view.layer_scroll == max(0, min(len(driver.state.facts.layers) - rows, 3))
