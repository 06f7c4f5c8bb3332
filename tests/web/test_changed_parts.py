"""What changes in the window is sent, what stands still is not: a page always shows what a whole picture would show."""

from __future__ import annotations

import asyncio

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deepvis_toolbox.web import link
from deepvis_toolbox.web.browser_window import BrowserWindow
from deepvis_toolbox.web.changed_parts import MOST_PARTS, PartsEncoder
from deepvis_toolbox.web.link import QUICK, Link
from deepvis_toolbox.web.messages import KeyPress, Pointer
from tests.web.conftest import drawn

QUALITY = 85


def whole(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What a JPEG of the whole picture shows."""
    how = [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    jpeg = cv2.imencode(".jpg", pixels[:, :, ::-1], how)[1]
    return cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[:, :, ::-1]


def changed(random: np.random.RandomState, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with some rectangles and single pixels of other colours."""
    now, (height, width) = pixels.copy(), pixels.shape[:2]
    for _ in range(random.randint(0, 9)):
        top, left = random.randint(height), random.randint(width)
        piece = now[top : top + random.randint(1, 90), left : left + random.randint(1, 120)]
        piece += random.randint(1, 256, piece.shape).astype(np.uint8)
    for _ in range(random.choice([0, 0, 1, 60])):
        now[random.randint(height), random.randint(width), random.randint(3)] ^= 1 << random.randint(8)
    return now


class Peer:
    """A page at the other end of a link, and the loop that sends."""

    def __init__(self, window: BrowserWindow) -> None:
        self.loop = asyncio.new_event_loop()
        self.link = Link(self.loop)
        self.frame: NDArray[np.uint8] | None = None
        self.bytes = 0
        window.join(self.link)

    def receive(self) -> int | None:
        """Draw what is sent next; its number, None where nothing is."""
        try:
            message = self.loop.run_until_complete(asyncio.wait_for(self.link.next_message(), 0.02))
        except TimeoutError:
            return None
        assert isinstance(message, bytes)
        self.frame, self.bytes = drawn(message, self.frame), len(message)
        return int.from_bytes(message[1:5], "little")

    def follow(self) -> None:
        """Draw everything that there is."""
        while (number := self.receive()) is not None:
            self.link.shown(number)


@pytest.fixture
def window() -> BrowserWindow:
    return BrowserWindow(QUALITY, lambda: None)


@pytest.mark.parametrize("size", [(96, 128), (211, 333), (480, 641), (16, 16), (70, 65)])
def test_parts_drawn_over_each_other_are_the_whole_picture(size: tuple[int, int], window: BrowserWindow) -> None:
    random = np.random.RandomState(sum(size))
    pixels = random.randint(0, 256, (*size, 3)).astype(np.uint8)
    steady, peer = Peer(window), Peer(window)
    for number in range(25):
        pixels = changed(random, pixels)
        window.show(pixels)
        steady.follow()
        if random.randint(3) == 0:  # this one is slower: frames are drawn over what waits
            peer.follow()
            assert (peer.frame == whole(pixels)).all(), number
        assert (steady.frame == whole(pixels)).all(), number


def test_what_stands_still_is_not_sent(window: BrowserWindow) -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (480, 640, 3)).astype(np.uint8)
    peer = Peer(window)
    window.show(pixels)
    peer.follow()
    first = peer.bytes
    window.show(pixels)
    assert peer.receive() == 2
    assert peer.bytes == 13  # a head alone, which still says which frame is shown
    peer.link.shown(2)
    pixels[100:120, 300:340] += 1
    window.show(pixels)
    peer.follow()
    assert peer.bytes < first / 50
    assert (peer.frame == whole(pixels)).all()


def test_a_page_that_joins_gets_the_whole_picture_and_one_of_another_size_does(window: BrowserWindow) -> None:
    pixels = np.random.RandomState(1).randint(0, 256, (100, 150, 3)).astype(np.uint8)
    window.show(pixels)
    pixels[50, 70] ^= 255
    window.show(pixels)
    late = Peer(window)
    late.follow()
    assert (late.frame == whole(pixels)).all()
    larger = np.random.RandomState(2).randint(0, 256, (120, 170, 3)).astype(np.uint8)
    window.show(larger)
    late.follow()
    assert (late.frame == whole(larger)).all()


def test_many_small_changes_are_few_parts() -> None:
    encoder = PartsEncoder(QUALITY)
    pixels = np.zeros((960, 1600, 3), np.uint8)
    encoder.encode(pixels)
    pixels[::64, ::64] = 255
    parts = encoder.encode(pixels)
    assert 1 <= len(parts) <= MOST_PARTS
    assert all(any(box.covers(box._replace(left=x, top=y, width=1, height=1)) for box, _ in parts)
               for y in range(0, 960, 64) for x in range(0, 1600, 64))  # fmt: skip


def test_the_next_frame_is_drawn_while_one_is_shown_and_a_key_may_replace_it(window: BrowserWindow) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    assert not window.is_ready  # nobody looks
    peer = Peer(window)
    assert window.is_ready
    window.show(pixels)
    assert not window.is_ready  # it has not been sent
    peer.follow()
    window.show(pixels)
    assert peer.receive() == 2
    assert window.is_ready  # it is on its way to a page that was quick: the next one is drawn
    window.show(pixels)
    assert peer.receive() is None  # one in flight
    assert not window.is_ready
    window.take(Pointer(kind="pointer", what="move", x=1, y=1))
    assert not window.is_ready
    window.take(KeyPress(kind="key", key="b", code="KeyB", shift=False))
    assert window.is_ready  # a person waits for it
    window.show(pixels)
    window.take(KeyPress(kind="key", key="b", code="KeyB", shift=False))
    assert not window.is_ready  # not for as many as there are keys
    peer.link.shown(2)
    assert peer.receive() == 4  # always the newest


def test_for_a_slow_page_nothing_is_drawn_before_it_has_shown_the_last(
    window: BrowserWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    now = 0.0
    monkeypatch.setattr(link, "monotonic", lambda: now)
    peer = Peer(window)
    window.show(pixels)
    assert peer.receive() == 1
    assert not window.is_ready  # nobody knows yet how quick it is
    now += 2 * QUICK
    peer.link.shown(1)
    window.show(pixels)
    assert peer.receive() == 2
    assert not window.is_ready  # it was slow
    now += QUICK / 2
    peer.link.shown(2)
    window.show(pixels)
    assert peer.receive() == 3
    assert window.is_ready
