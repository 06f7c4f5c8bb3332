"""Shapes and pictures: the pixels they cover, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from deepvis_toolbox.drawing.colours import blend, ramp_palette
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.pictures import fitted_box, paint_map, paint_picture
from deepvis_toolbox.drawing.shapes import bar, clear, corners, dim, fill, frame

RED = (200, 10, 20)


def blank() -> np.ndarray:
    return np.zeros((30, 40, 3), np.uint8)


def covered(pixels: np.ndarray) -> np.ndarray:
    return (pixels == np.array(RED)).all(axis=2)


@pytest.mark.parametrize(
    "box", [Box(3, 4, 10, 20), Box(-5, -5, 5, 5), Box(25, 35, 90, 90), Box(5, 5, 5, 9), Box(9, 9, 3, 3)]
)
def test_fill_covers_the_box_and_nothing_else(box: Box) -> None:
    pixels = blank()
    fill(pixels, box, RED)
    expected = np.zeros((30, 40), bool)
    expected[max(0, box.top) : max(0, box.bottom), max(0, box.left) : max(0, box.right)] = True
    assert (covered(pixels) == expected).all()


def test_shapes_work_on_a_view_into_a_larger_window() -> None:
    window = blank()
    clear(window[5:10, 7:12], RED)
    assert covered(window).sum() == 25
    assert covered(window)[5:10, 7:12].all()


def test_a_frame_lies_around_its_box_and_stays_visible_at_the_edge() -> None:
    pixels = blank()
    frame(pixels, Box(10, 10, 20, 20), RED, 2)
    assert covered(pixels).sum() == 14 * 14 - 10 * 10
    assert not covered(pixels)[10:20, 10:20].any()
    pixels = blank()
    frame(pixels, Box(0, 0, 10, 10), RED, 2)
    assert covered(pixels)[0:2, 0:12].all()
    assert covered(pixels)[0:12, 0:2].all()


def test_corners_leave_the_middle_of_each_side_open() -> None:
    pixels = blank()
    corners(pixels, Box(5, 5, 25, 25), RED, 2, 5)
    marked = covered(pixels)
    assert marked[3, 3]
    assert marked[26, 26]
    assert not marked[3, 15]
    assert not marked[15, 3]
    assert (marked[:, 3:27] == marked[:, 3:27][:, ::-1]).all()


@pytest.mark.parametrize(("share", "length"), [(0, 0), (0.5, 10), (1, 20), (7, 20), (-3, 0), (float("nan"), 0)])
def test_bars_are_as_long_as_their_share(share: float, length: int) -> None:
    pixels = blank()
    bar(pixels, Box(5, 10, 8, 30), share, RED, (1, 1, 1))
    assert covered(pixels)[6].sum() == length


def test_a_bar_can_start_anywhere() -> None:
    pixels = blank()
    bar(pixels, Box(5, 10, 8, 30), 0.25, RED, (1, 1, 1), start=0.75)
    assert np.nonzero(covered(pixels)[6])[0].tolist() == list(range(15, 25))


def test_dim_leaves_its_share() -> None:
    window = np.full((20, 20, 3), 200, np.uint8)
    dim(window[:, :10], 0.25)
    assert (window[:, :10] == 50).all()
    assert (window[:, 10:] == 200).all()


@pytest.mark.parametrize(
    ("shape", "pane"), [((10, 10), (50, 80)), ((10, 30), (50, 80)), ((300, 10), (50, 80)), ((1, 1), (1, 1))]
)
def test_pictures_are_as_large_as_the_pane_allows(shape: tuple[int, int], pane: tuple[int, int]) -> None:
    box = fitted_box(shape, pane)
    assert 0 <= box.left <= box.right <= pane[1]
    assert box.bottom <= pane[0]
    assert box.bottom == pane[0] or box.width == pane[1]


def test_a_picture_of_one_colour_fills_its_box() -> None:
    pixels = blank()
    box = paint_picture(pixels, np.full((7, 7, 3), RED, np.uint8))
    assert covered(pixels)[box.top : box.bottom, box.left : box.right].all()
    assert covered(pixels).sum() == box.height * box.width


def test_a_picture_of_a_few_pixels_is_painted_in_their_colours_and_no_others() -> None:
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (3, 3, 3)).astype(np.uint8)
    pixels = np.zeros((90, 120, 3), np.uint8)
    box = paint_picture(pixels, picture)
    squares = np.repeat(np.repeat(picture, 30, 0), 30, 1)
    np.testing.assert_array_equal(pixels[box.top : box.bottom, box.left : box.right], squares)


def test_a_map_is_painted_in_its_palette_and_never_in_the_gaps_colour() -> None:
    palette = ramp_palette(RED, ((0, 0, 0), (255, 255, 255)))
    pixels = blank()
    checkered = np.where(np.indices((8, 8)).sum(axis=0) % 2, 255, 1).astype(np.uint8)
    box = paint_map(pixels, checkered, palette)
    assert not covered(pixels[box.top : box.bottom, box.left : box.right]).any()
    assert pixels.max() == 255


def test_palettes_run_through_their_stops() -> None:
    palette = ramp_palette((1, 2, 3), ((10, 0, 0), (0, 20, 0), (0, 0, 30)))
    assert palette.shape == (256, 1, 3)
    assert palette[[0, 1, 128, 255], 0].tolist() == [[1, 2, 3], [10, 0, 0], [0, 20, 0], [0, 0, 30]]
    assert blend((0, 0, 0), (100, 200, 50), 0.5) == (50, 100, 25)
