"""Text: where it lies, what is cut, how it is cached, and what font files do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from deepvis_toolbox.drawing import text as text_module
from deepvis_toolbox.drawing.text import ELLIPSIS, Font, draw_text, fitted, text_width, wrapped
from deepvis_toolbox.errors import ToolboxError

WHITE = (255, 255, 255)


def ink(pixels: np.ndarray) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of what is not black, half open."""
    rows, columns = np.nonzero(pixels.max(axis=2))
    return rows.min(), columns.min(), rows.max() + 1, columns.max() + 1


@pytest.mark.parametrize("size", [11, 14, 34])
def test_capitals_stand_on_the_baseline_and_are_as_high_as_the_font_says(size: int) -> None:
    font, pixels = Font(size), np.zeros((120, 300, 3), np.uint8)
    draw_text(pixels, "HEH", 20, 80, font, WHITE)
    top, left, bottom, _ = ink(pixels)
    assert bottom == 80
    assert abs(80 - top - font.capital_height) <= 1
    assert 20 <= left <= 20 + size // 4


@pytest.mark.parametrize("align", ["left", "centre", "right"])
def test_alignment(align: str) -> None:
    font, pixels = Font(20), np.zeros((60, 400, 3), np.uint8)
    width = draw_text(pixels, "HHHH", 200, 40, font, WHITE, align)  # type: ignore[arg-type]
    _, left, _, right = ink(pixels)
    expected_left = {"left": 200, "centre": 200 - width // 2, "right": 200 - width}[align]
    assert abs(left - expected_left) <= 3
    assert abs(right - (expected_left + width)) <= 3


def test_text_is_anti_aliased_and_takes_the_colour_over_what_is_there() -> None:
    pixels = np.full((40, 200, 3), 50, np.uint8)
    draw_text(pixels, "Waves", 5, 30, Font(24), (250, 50, 10))
    assert pixels[:, :, 0].max() >= 249
    assert len(np.unique(pixels[:, :, 0])) > 10
    assert (pixels[:, :, 1] == 50).all()


def test_text_beyond_the_pixels_is_cut_off_on_every_side() -> None:
    font = Font(20)
    whole = np.zeros((100, 400, 3), np.uint8)
    draw_text(whole, "gigantic Åg", 100, 50, font, WHITE)
    for top, left, bottom, right in [(45, 0, 100, 400), (0, 150, 100, 400), (0, 0, 46, 400), (0, 0, 100, 130)]:
        part = np.zeros((100, 400, 3), np.uint8)[top:bottom, left:right]
        draw_text(part, "gigantic Åg", 100 - left, 50 - top, font, WHITE)
        assert (part == whole[top:bottom, left:right]).all()
    nothing = np.zeros((10, 10, 3), np.uint8)
    for x, y in [(-500, 5), (500, 5), (5, -500), (5, 500)]:
        draw_text(nothing, "text", x, y, font, WHITE)
    assert not nothing.any()


def test_digits_are_as_wide_as_each_other() -> None:
    assert len({text_width(digit * 20, Font(14)) for digit in "0123456789"}) == 1


@pytest.mark.parametrize("width", [0, 3, 20, 60, 100, 5000])
def test_fitted_text_is_no_wider_and_as_long_as_possible(width: int) -> None:
    font, text = Font(14), "a layer with a rather long name"
    short = fitted(text, font, width)
    assert text_width(short, font) <= width or short == ""
    if short != text and short:
        kept = len(short) - len(ELLIPSIS)
        assert short == text[:kept].rstrip() + ELLIPSIS
        assert text_width(text[: kept + 2].rstrip() + ELLIPSIS, font) > width


def test_wrapped_lines_hold_all_words_and_fit() -> None:
    font, text = Font(14), "why there is nothing to see here: backward is off; press b to turn it on again"
    lines = wrapped(text, font, 120)
    assert " ".join(lines) == text
    assert all(text_width(line, font) <= 120 for line in lines)
    cut = wrapped(text, font, 120, most=2)
    assert len(cut) == 2
    assert cut[-1].endswith(ELLIPSIS)


@pytest.mark.parametrize("width", [3, 20, 60, 100, 150])
def test_the_end_of_an_address_is_kept_as_long_as_possible(width: int) -> None:
    font, text = Font(14), "features.denseblock3.denselayer4.conv2:17"
    short = fitted(text, font, width, "start")
    assert text_width(short, font) <= width or short == ""
    if short:
        kept = len(short) - len(ELLIPSIS)
        assert short == ELLIPSIS + text[-kept:]
        assert text_width(ELLIPSIS + text[-kept - 1 :], font) > width
    pixels, same = np.zeros((40, 200, 3), np.uint8), np.zeros((40, 200, 3), np.uint8)
    draw_text(pixels, text, 190, 30, font, WHITE, "right", width, "start")
    draw_text(same, short, 190, 30, font, WHITE, "right")
    assert np.array_equal(pixels, same)


def test_a_word_wider_than_the_line_is_broken_and_not_cut() -> None:
    font = Font(14)
    text = "python optimize_image.py --units features.denseblock3.denselayer4.conv2:17 " + "x" * 90
    lines = wrapped(text, font, 120, most=40)
    assert all(text_width(line, font) <= 120 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert "features." in lines, "broken where a person would"


@pytest.mark.parametrize("text", ["", "\n", "a\nb\tc\x00", "名前 ◆ ← 😀", "x" * 100_000, "\ud800"])
def test_any_string_can_be_drawn(text: str) -> None:
    pixels = np.zeros((40, 300, 3), np.uint8)
    draw_text(pixels, text, 5, 30, Font(14), WHITE, width=200)
    draw_text(pixels, text[:50], 5, 30, Font(14), WHITE)
    assert not pixels[:, 210:].any() or len(text) >= 40


@pytest.fixture
def nothing_kept() -> Iterator[None]:
    """Before and after the test, no font and no piece of text is kept from another one."""
    kept = [value for value in vars(text_module).values() if hasattr(value, "cache_clear")]
    for function in kept:
        function.cache_clear()
    yield
    for function in kept:
        function.cache_clear()


@pytest.mark.usefixtures("nothing_kept")
def test_without_the_shipped_fonts_pillows_own_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "_shipped", lambda _: "")
    font = Font(17, bold=True)
    pixels = np.zeros((40, 200, 3), np.uint8)
    assert draw_text(pixels, "Hello 123", 5, 30, font, WHITE) > 40
    assert ink(pixels)[2] == 30


def test_a_font_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "not-a-font.ttf"
    path.write_text("nothing")
    for wrong in (path, tmp_path / "missing.ttf"):
        with pytest.raises(ToolboxError, match=wrong.name):
            text_width("x", Font(14, path=str(wrong)))
