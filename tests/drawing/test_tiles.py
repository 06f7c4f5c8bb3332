"""Tiles against a plain loop that resizes and places one map after the other."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from deepvis_toolbox.drawing.colours import ramp_palette
from deepvis_toolbox.drawing.grid import TileGrid, fit_grid
from deepvis_toolbox.drawing.levels import GAP
from deepvis_toolbox.drawing.tiles import paint_pictures, paint_tiles, resize_each

PALETTE = ramp_palette((9, 8, 7), ((0, 0, 0), (100, 150, 200), (255, 250, 240)))


def random_maps(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(1, 256, shape).astype(np.uint8)


@pytest.mark.parametrize(
    ("shape", "size", "method"),
    [
        ((7, 14, 14), (31, 31), cv2.INTER_LINEAR),
        ((5, 9, 4), (27, 33), cv2.INTER_LINEAR),
        ((5, 30, 30), (25, 20), cv2.INTER_LINEAR),
        ((4, 64, 64), (16, 16), cv2.INTER_AREA),
        ((3, 63, 61), (15, 16), cv2.INTER_AREA),
        ((6, 8, 8), (8, 8), cv2.INTER_NEAREST),
    ],
)
def test_each_map_is_resized_as_if_it_were_alone(shape: tuple[int, ...], size: tuple[int, int], method: int) -> None:
    maps = random_maps(*shape)
    together = resize_each(maps, *size).transpose(1, 0, 2).astype(int)
    for one, expected in zip(together, maps, strict=True):
        alone = cv2.resize(expected, size[::-1], interpolation=method).astype(int)
        assert np.abs(one - alone).max() <= 2  # rounded to 8 bits twice instead of once


def test_maps_do_not_bleed_into_their_neighbours() -> None:
    maps = np.array([1, 255, 1, 255], np.uint8)[:, None, None] * np.ones((1, 5, 5), np.uint8)
    resized = resize_each(maps, 23, 17)
    for channel, value in enumerate((1, 255, 1, 255)):
        assert (resized[:, channel] == value).all()


def test_unsmoothed_maps_keep_every_value_a_square() -> None:
    maps = random_maps(6, 5, 5)
    resized = resize_each(maps, 20, 20, smooth=False).transpose(1, 0, 2)
    assert (resized == maps.repeat(4, axis=1).repeat(4, axis=2)).all()


@pytest.mark.parametrize("count", [1, 5, 12, 37])
@pytest.mark.parametrize("side", [1, 6])
def test_every_tile_is_where_the_grid_says_and_the_rest_is_gap(count: int, side: int) -> None:
    maps = random_maps(count, side, side)
    pixels = np.full((150, 210, 3), 77, np.uint8)
    grid = fit_grid(count, (side, side), pixels.shape[:2], 2)
    paint_tiles(pixels, maps, grid, PALETTE, smooth=False)
    expected = np.full_like(pixels, 77)
    expected[: grid.height, : grid.width] = PALETTE[GAP, 0]
    for index in range(count):
        box = grid.tile_rect(index)
        tile = cv2.resize(maps[index], (box.width, box.height), interpolation=cv2.INTER_NEAREST)
        expected[box.top : box.bottom, box.left : box.right] = PALETTE[tile, 0]
    assert (pixels == expected).all()


def test_only_the_pane_is_painted_when_tiles_do_not_fit() -> None:
    window = np.full((40, 40, 3), 77, np.uint8)
    pane = window[10:20, 10:20]
    maps = random_maps(500, 2, 2)
    paint_tiles(pane, maps, fit_grid(500, (2, 2), (10, 10), 1), PALETTE)
    window[10:20, 10:20] = 77
    assert (window == 77).all()
    assert not (pane == np.array(PALETTE[GAP, 0])).all()


def test_pictures_stand_at_the_grids_places_and_missing_ones_are_plain() -> None:
    pictures = np.arange(5, dtype=np.uint8)[:, None, None, None] * 40 + np.full((5, 8, 8, 3), 10, np.uint8)
    there = np.array([True, True, False, True, True])
    grid = TileGrid(5, 2, 3, 8, 8, 2)
    pixels = np.full((30, 40, 3), 99, np.uint8)
    paint_pictures(pixels, pictures, there, grid, (1, 2, 3), (4, 5, 6))
    for index in range(5):
        box = grid.tile_rect(index)
        tile = pixels[box.top : box.bottom, box.left : box.right]
        assert (tile == (pictures[index] if there[index] else (1, 2, 3))).all()
    assert (pixels[8:10, :28] == (4, 5, 6)).all(), "gaps are as around the grid"
    assert (pixels[10:18, 20:28] == (4, 5, 6)).all(), "and so are places without a tile"
    assert (pixels[18:] == 99).all(), "nothing outside the grid is touched"
    other_size = np.full((5, 4, 4, 3), 70, np.uint8)
    paint_pictures(pixels, other_size, there, grid, (1, 2, 3), (4, 5, 6))
    assert (pixels[:8, :8] == 70).all()
