"""The grid: the largest tiles that fit, and pixels that lead back to tiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepvis_toolbox.drawing.grid import TileGrid, fit_grid


def test_256_square_maps_in_a_square_pane_are_16_by_16() -> None:
    for gap in (0, 1, 2):
        grid = fit_grid(256, (13, 13), (800, 800), gap)
        assert (grid.rows, grid.columns) == (16, 16)
        assert grid.tile_height == grid.tile_width == (800 + gap) // 16 - gap


@pytest.mark.parametrize(
    ("count", "shape", "pane"),
    [
        (1, (1, 1), (300, 900)),
        (3, (224, 224), (850, 990)),
        (32, (112, 112), (850, 990)),
        (672, (14, 14), (850, 990)),
        (1000, (1, 1), (850, 990)),
        (2048, (7, 7), (300, 300)),
        (30, (10, 40), (500, 700)),
    ],
)
def test_no_other_number_of_columns_gives_larger_tiles(
    count: int, shape: tuple[int, int], pane: tuple[int, int]
) -> None:
    gap = 1
    grid = fit_grid(count, shape, pane, gap)

    def tile_height(columns: int) -> int:
        rows = -(-count // columns)
        scale = min(((pane[0] + gap) / rows - gap) / shape[0], ((pane[1] + gap) / columns - gap) / shape[1])
        return int(scale * shape[0] + 1e-9)

    assert grid.gap == gap
    assert grid.tile_height == max(tile_height(columns) for columns in range(1, count + 1))


@given(
    count=st.integers(1, 2100),
    shape=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    pane=st.tuples(st.integers(60, 2200), st.integers(60, 3000)),
    gap=st.integers(0, 4),
)
def test_grids_fit_their_pane_and_pixels_lead_back_to_tiles(
    count: int, shape: tuple[int, int], pane: tuple[int, int], gap: int
) -> None:
    grid = fit_grid(count, shape, pane, gap)
    assert grid.rows * grid.columns >= count > (grid.rows - 1) * grid.columns
    if min(grid.tile_height, grid.tile_width) > 1:
        assert grid.height <= pane[0]
        assert grid.width <= pane[1]
    for index in {0, count // 2, count - 1}:
        box = grid.tile_rect(index)
        for y in (box.top, box.bottom - 1):
            for x in (box.left, box.right - 1):
                assert grid.tile_at(x, y) == index


def test_gaps_places_without_a_tile_and_the_outside_belong_to_no_tile() -> None:
    grid = TileGrid(count=5, rows=2, columns=3, tile_height=10, tile_width=10, gap=2)
    assert grid.tile_at(10, 5) is None
    assert grid.tile_at(5, 11) is None
    assert grid.tile_at(12 * 2 + 3, 12 + 3) is None
    assert grid.tile_at(-1, 5) is None
    assert grid.tile_at(5, 24) is None
    assert grid.tile_at(12 + 3, 12 + 3) == 4
    with pytest.raises(IndexError):
        grid.tile_rect(5)


def test_a_gap_wider_than_any_tile_becomes_the_widest_that_leaves_tiles_of_three_gaps() -> None:
    for count, pane in ((1, (40, 60)), (32, (900, 700)), (4096, (850, 690))):
        grid = fit_grid(count, (7, 7), pane, 32_000)
        assert grid.gap == 0 or min(grid.tile_height, grid.tile_width) >= 3 * grid.gap
        wider = grid.gap + 1
        if grid.gap and wider * 3 <= min(pane):
            assert fit_grid(count, (7, 7), pane, wider).gap == grid.gap
