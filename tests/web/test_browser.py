"""The page in a real browser: Chromium, with its own made-up camera."""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deepvis_toolbox.web.viewers import Viewer
from deepvis_toolbox.words.unit import Unit

from .conftest import Served, serving

SECONDS = 40.0
WATCHING = """
window.frames_seen = []; window.camera_taken = [];
document.addEventListener("deepvis-frame", (event) => window.frames_seen.push(event.detail));
document.addEventListener("deepvis-camera", (event) => window.camera_taken.push(event.detail.number));
"""


class Tab:
    """A page in the browser, and what went wrong in it."""

    def __init__(self, context: Any, served: Served, address: str = "") -> None:
        """`address`: where the browser finds it; empty: the server's own."""
        self.served = served
        self.page = context.new_page()
        self.problems: list[str] = []
        self.asked: list[str] = []
        self.page.on(
            "console", lambda message: message.type in ("error", "warning") and self.problems.append(message.text)
        )
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("websocket", lambda socket: self.asked.append(socket.url.replace("ws:", "http:")))
        self.page.add_init_script(WATCHING)
        self.page.goto(address or served.server.address(served.access.token))
        self.wait(lambda: self.frames > 0)

    def _note(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    @property
    def frames(self) -> int:
        return int(self.page.evaluate("window.frames_seen.length"))

    @property
    def unit(self) -> str:
        return str(self.page.locator("#unit").text_content())

    @property
    def viewer(self) -> Viewer:
        """Its other end, in the server: the newest page's."""
        return self.served.server.viewers._viewers[-1]

    @property
    def view(self) -> Any:
        state = self.viewer.viewing.state
        assert state is not None
        return state.view

    def wait(self, holds: Callable[[], bool], seconds: float = SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"waited in vain; {self.problems} {self.page.inner_text('#veiled')}"
            self.page.wait_for_timeout(20)

    def next_frames(self, count: int = 2) -> None:
        seen = self.frames
        self.wait(lambda: self.frames >= seen + count)

    def canvas(self) -> np.ndarray:
        """What the canvas shows, RGB."""
        data = self.page.evaluate("document.getElementById('picture').toDataURL('image/png')")
        with Image.open(BytesIO(b64decode(data.partition(",")[2]))) as picture:
            return np.asarray(picture.convert("RGB"))

    def place(self, wanted: Callable[[Any], bool]) -> tuple[float, float]:
        """Where in the page something lies in the window."""
        painter, state = self.viewer.viewing.painter, self.viewer.viewing.state
        assert painter is not None
        assert state is not None
        height, width = painter.pixels.shape[:2]
        box = self.page.locator("#picture").bounding_box()
        for y in range(0, height, 5):
            for x in range(0, width, 5):
                under = painter.hit(state, x, y)
                if under and wanted(under[1]):
                    return box["x"] + (x + 8) * box["width"] / width, box["y"] + (y + 8) * box["height"] / height
        raise AssertionError("it is nowhere in the window")

    def of_unit(self, channel: int) -> tuple[float, float]:
        return self.place(
            lambda hit: isinstance(hit.what, Unit) and hit.what.channel == channel and hit.place is not None
        )


@contextmanager
def opened_tab(browser: Any, served: Served, width: int = 1000, height: int = 700, **options: Any) -> Iterator[Tab]:
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    tab = Tab(context, served)
    try:
        yield tab
        assert tab.problems == [], "the console tells of no problem"
        assert all(url.startswith((served.base, "blob:")) for url in tab.asked), "nothing is asked of anybody else"
        assert served.access.token not in tab.page.url
    finally:
        context.close()


@pytest.fixture(scope="module")
def page_server(photos: Path) -> Iterator[Served]:
    with serving("demo", str(photos)) as served:
        yield served


@pytest.fixture(scope="module")
def tab(browser: Any, page_server: Served) -> Iterator[Tab]:
    with opened_tab(browser, page_server) as tab:
        tab.wait(lambda: tab.unit == "conv1:0")
        yield tab


def test_frames_arrive_and_change(tab: Tab) -> None:
    tab.next_frames()
    before = tab.canvas()
    tab.next_frames(5)
    assert not np.array_equal(before, tab.canvas())
    box = tab.page.locator("#stage").bounding_box()
    assert before.shape == (int(box["height"]), int(box["width"]), 3), "one pixel of the window for each of the page"


def test_a_key_changes_the_layer_and_a_screen_reader_is_told(tab: Tab) -> None:
    tab.page.keyboard.press("o")
    tab.wait(lambda: tab.unit == "relu:0")
    tab.page.keyboard.press("u")
    tab.wait(lambda: tab.unit == "conv1:0")
    tab.page.keyboard.press("%")
    tab.wait(lambda: "does nothing" in str(tab.page.locator("#message[aria-live=polite]").text_content()))


def test_typing_into_find_goes_to_a_class(tab: Tab) -> None:
    tab.page.keyboard.press("/")
    tab.page.keyboard.type("jug")
    tab.page.keyboard.press("Enter")
    tab.wait(lambda: tab.page.locator("#name").text_content() == "jug")
    tab.page.keyboard.press("Escape")
    for _ in range(6):
        tab.page.keyboard.press("u")
    tab.wait(lambda: tab.unit.startswith("data"))
    tab.page.keyboard.press("o")
    tab.wait(lambda: tab.unit.startswith("conv1"))


def test_a_click_selects_a_unit_and_a_double_click_enlarges_it(tab: Tab) -> None:
    tab.page.mouse.click(*tab.of_unit(5))
    tab.wait(lambda: tab.unit == "conv1:5")
    tab.page.wait_for_timeout(500)
    tab.page.mouse.dblclick(*tab.of_unit(5))
    tab.wait(lambda: tab.view.zoom == "unit")
    tab.page.keyboard.press("Escape")
    tab.wait(lambda: tab.view.zoom == "tiles")


def test_the_wheel_over_tiles_changes_the_layer(tab: Tab) -> None:
    tab.page.mouse.move(*tab.of_unit(2))
    tab.page.mouse.wheel(0, 100)
    tab.wait(lambda: tab.unit.startswith("relu"))
    tab.page.mouse.wheel(0, -100)
    tab.wait(lambda: tab.unit.startswith("conv1"))


def test_a_drag_in_the_input_finds_units(tab: Tab) -> None:
    tab.page.locator("#source").select_option("1")  # a red picture
    tab.wait(lambda: "a-red.png" in str(tab.page.locator("#status").text_content()))
    x, y = tab.place(lambda hit: hit.drag is not None)
    tab.page.mouse.move(x + 10, y + 10)
    tab.page.mouse.down()
    tab.page.mouse.move(x + 40, y + 40, steps=4)
    tab.page.mouse.up()
    tab.wait(lambda: tab.view.region is not None)
    tab.page.keyboard.press("Escape")
    tab.wait(lambda: tab.view.region is None)
    tab.page.locator("#source").select_option("0")
    tab.page.locator("#stage").focus()


def test_the_cameras_pictures_reach_the_network(tab: Tab) -> None:
    tab.page.locator("#camera").click()
    tab.wait(lambda: tab.page.evaluate("window.camera_taken.length") >= 3)
    taken = tab.page.evaluate("window.camera_taken")
    tab.wait(lambda: tab.page.evaluate("window.frames_seen.at(-1).source") >= taken[0])
    tab.wait(lambda: "camera of the page" in str(tab.page.locator("#status").text_content()))
    tab.page.locator("#camera").click()
    tab.page.locator("#source").select_option("0")


def test_a_chosen_and_a_pasted_picture_become_the_source(tab: Tab, tmp_path: Path) -> None:
    path = tmp_path / "chosen.png"
    Image.new("RGB", (60, 60), (0, 0, 255)).save(path)
    tab.page.locator("#chosen").set_input_files(str(path))
    tab.wait(lambda: "chosen.png" in str(tab.page.locator("#status").text_content()))
    tab.page.evaluate(
        """async () => {
            const canvas = new OffscreenCanvas(40, 40);
            canvas.getContext("2d").fillRect(0, 0, 40, 40);
            const held = new DataTransfer();
            held.items.add(new File([await canvas.convertToBlob()], "copied.png", { type: "image/png" }));
            document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: held }));
        }"""
    )
    tab.wait(lambda: "copied.png" in str(tab.page.locator("#status").text_content()))
    tab.page.locator("#source").select_option("0")
    tab.page.locator("#stage").focus()


def test_a_file_that_is_too_large_is_not_even_sent(tab: Tab, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate((200 << 20) + 1)
    tab.page.locator("#chosen").set_input_files(str(path))
    tab.wait(lambda: tab.page.locator("#notice").inner_text() == "large.png is larger than 200 MiB")
    assert str(tab.page.locator("#name").text_content()).startswith("channel"), "the unit's name stays"


def test_a_screenshot_is_downloaded(tab: Tab) -> None:
    with tab.page.expect_download() as download:
        tab.page.keyboard.press("p")
    assert download.value.suggested_filename.endswith(".png")
    with Image.open(download.value.path()) as picture:
        assert picture.size == tuple(tab.canvas().shape[1::-1])


def test_a_second_viewer_browses_alone(tab: Tab, browser: Any, page_server: Served) -> None:
    first = tab.unit
    with opened_tab(browser, page_server, 800, 600) as other:
        other.wait(lambda: other.unit == "conv1:0")
        other.page.keyboard.press("o")
        other.wait(lambda: other.unit == "relu:0")
        assert tab.unit == first
    tab.next_frames()


def test_reloading_needs_no_token_and_without_any_the_page_says_what_it_needs(
    tab: Tab, browser: Any, page_server: Served
) -> None:
    tab.page.reload()
    tab.wait(lambda: tab.frames > 0)
    context = browser.new_context()
    page = context.new_page()
    page.goto(page_server.base)
    tab.wait(lambda: "needs the address" in str(page.locator("#veiled").text_content()))
    context.close()


def test_a_phone_sized_page_has_panes_above_each_other_and_keys_as_buttons(browser: Any, page_server: Served) -> None:
    phone = {"device_scale_factor": 2, "is_mobile": True, "has_touch": True}
    with opened_tab(browser, page_server, 390, 844, **phone) as tab:
        tab.wait(lambda: tab.unit == "conv1:0")
        tab.wait(lambda: tab.viewer.viewing.window.is_stacked)
        tab.next_frames()
        painter = tab.viewer.viewing.painter
        assert painter is not None
        assert painter.layout is not None
        boxes = painter.layout.boxes
        assert boxes["tiles"].top > boxes["input"].bottom
        assert painter.look.px(painter.look.text_size) >= 2 * 12, "text is as large as on the desktop"
        tab.page.get_by_role("button", name="next layer").tap()
        tab.wait(lambda: tab.unit == "relu:0")
        tab.page.touchscreen.tap(*tab.of_unit(3))
        tab.wait(lambda: tab.unit == "relu:3")
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
        pinch(tab)
        tab.wait(lambda: tab.unit.startswith(("conv1", "data")))


def pinch(tab: Tab) -> None:
    """Two fingers on the tiles, moving apart: the wheel turned up."""
    x, y = tab.of_unit(3)
    session = tab.page.context.new_cdp_session(tab.page)
    for kind, apart in (("touchStart", 20), ("touchMove", 26), ("touchMove", 34), ("touchEnd", None)):
        points = [] if apart is None else [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        tab.page.wait_for_timeout(50)


def test_watchers_of_a_shared_window_see_it_and_cannot_use_it(browser: Any, photos: Path) -> None:
    with serving(str(photos), shared=True) as served, opened_tab(browser, served) as lecturer:
        context = browser.new_context()
        page = context.new_page()
        page.add_init_script(WATCHING)
        page.goto(served.server.address(served.access.watch_token))
        lecturer.wait(lambda: page.evaluate("window.frames_seen.length") > 0)
        page.keyboard.press("o")
        lecturer.page.keyboard.press("z")
        lecturer.wait(lambda: lecturer.view.zoom == "unit")
        assert page.locator("#unit").text_content() == "conv1:0"
        assert page.locator("#camera").is_disabled()
        context.close()
