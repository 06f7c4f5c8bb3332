"""The window fits the screen that it opens on."""

from __future__ import annotations

import pytest

from deepvis_toolbox.live.window import screen
from deepvis_toolbox.live.window.screen import USUAL_WINDOW, screen_size, window_size

from .conftest import Display


@pytest.mark.display
def test_the_size_of_the_screen_is_what_the_display_has(display: Display) -> None:
    assert display.name
    assert screen_size() == (1600, 1000)


@pytest.mark.parametrize("size", [(1366, 768), (1280, 720), (1600, 1000), (1920, 1080), (3840, 2160), (1080, 1920)])
def test_the_whole_window_lies_on_the_screen_and_uses_it(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "screen_size", lambda: size)
    width, height = window_size(None, None)
    assert width <= 0.98 * size[0]
    assert height <= 0.91 * size[1]
    assert width > 0.96 * size[0] or height > 0.89 * size[1]
    assert width / height == pytest.approx(USUAL_WINDOW[0] / USUAL_WINDOW[1], rel=0.01)


def test_sizes_that_are_set_are_kept_and_without_a_screen_the_usual_one_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert window_size(640, 400) == (640, 400)
    monkeypatch.setattr(screen, "screen_size", lambda: None)
    assert window_size(None, None) == USUAL_WINDOW
    monkeypatch.undo()
    monkeypatch.setenv("DISPLAY", ":54321")
    assert screen_size() is None
