"""Sheets and charts for print: where pictures, points and captions come to lie."""

from __future__ import annotations

import numpy as np
import pytest

from deepvis_toolbox.drawing.charts import COLOURS, Axis, Series, chart
from deepvis_toolbox.drawing.sheets import MARGIN, Tile, beside, captioned, grid_sheet, headed, scaled, stacked
from deepvis_toolbox.errors import ToolboxError

RED, BLUE = (200, 10, 10), (10, 10, 200)


def flat(colour: tuple[int, int, int], height: int = 20, width: int = 20) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def places(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Rows and columns of a colour, (N, 2)."""
    return np.argwhere((pixels == colour).all(2))


def test_pictures_lie_in_their_rows_and_columns_with_the_gap_between() -> None:
    sheet = grid_sheet([[Tile(flat(RED)), Tile(flat(BLUE))], [Tile(flat(BLUE))]], 20, gap=4)
    assert sheet.shape == (44, 44, 3)
    assert (sheet[:20, :20] == RED).all()
    assert (sheet[:20, 24:] == BLUE).all()
    assert (sheet[24:, :20] == BLUE).all()
    assert (sheet[20:24] == 255).all()
    assert (sheet[24:, 24:] == 255).all()


def test_labels_take_their_own_room_and_leave_the_pictures_whole() -> None:
    tiles = [[Tile(flat(RED, 60, 60), "one\ntwo")], [Tile(flat(BLUE, 60, 60))]]
    sheet = grid_sheet(tiles, 60, ["a row", "another"], ["a column"])
    assert len(places(sheet, RED)) == len(places(sheet, BLUE)) == 3600
    plain = grid_sheet([[Tile(flat(RED, 60, 60))], [Tile(flat(BLUE, 60, 60))]], 60)
    assert sheet.shape[0] > plain.shape[0] + 30
    assert sheet.shape[1] > plain.shape[1] + 40
    between = sheet[places(sheet, RED)[:, 0].max() + 1 : places(sheet, BLUE)[:, 0].min()]
    assert between.min() < 80  # the tile's label


def test_a_missing_picture_says_so_and_a_tall_one_keeps_its_shape() -> None:
    sheet = grid_sheet([[Tile(None), Tile(flat(RED, 40, 10))]], 80, gap=0)
    assert sheet[:, :80].min() < 200
    found = places(sheet, RED)
    assert found[:, 0].max() == 79
    assert 19 <= np.ptp(found[:, 1]) <= 20


def test_a_white_picture_is_told_from_the_paper_by_a_frame_and_no_other_has_one() -> None:
    sheet = grid_sheet([[Tile(flat((255, 255, 255))), Tile(flat(RED))]], 20, gap=4)
    assert (sheet[0, :20] == sheet[:20, 19]).all()
    assert sheet[0, :20].max() < 240
    assert (sheet[1:19, 1:19] == 255).all()
    assert (sheet[:, 24:] == RED).all()


def test_few_pixels_are_enlarged_as_squares() -> None:
    picture = np.array([[[0, 0, 0], [255, 255, 255]]] * 2, np.uint8)
    assert np.unique(scaled(picture, 40)).tolist() == [0, 255]
    assert scaled(picture, 40).shape == (40, 40, 3)


def test_parts_stand_below_and_beside_each_other() -> None:
    assert stacked([flat(RED), flat(BLUE, 10, 50)], 5).shape == (35, 50, 3)
    assert beside([flat(RED), flat(BLUE, 10, 50)], 5).shape == (20, 75, 3)
    assert headed("A heading that is wider", flat(RED)).shape[1] > 100


def test_a_caption_is_printed_below_whole_within_the_margins() -> None:
    short = captioned(flat(RED, 30, 30), "Figure 1", "One line.")
    long = captioned(flat(RED, 30, 30), "Figure 1", "word " * 400 + "\nthe last paragraph")
    assert short.shape[1] == long.shape[1] == 700 + 2 * MARGIN
    assert long.shape[0] > short.shape[0] + 10 * 18
    for whole in (short, long):
        edge = np.concatenate([whole[:MARGIN].ravel(), whole[-10:].ravel(), whole[:, :MARGIN].ravel()])
        assert edge.min() == 255
        assert len(places(whole, RED)) == 900


def test_a_sheet_that_nobody_could_look_at_is_refused() -> None:
    with pytest.raises(ToolboxError, match="is too large; make fewer pictures"):
        grid_sheet([[Tile(None)] * 200] * 200, 100)


def test_points_lie_where_their_values_say() -> None:
    x, y = np.array([0.0, 10.0]), np.array([0.0, 1.0])
    drawn = chart("", [Series(x, y, joined=False)], Axis("x", low=-10, high=20), Axis("y", low=-1, high=2), (300, 400))
    found = places(drawn, COLOURS[0])
    low, high = found[found[:, 1] < 230], found[found[:, 1] > 230]
    assert high[:, 1].mean() - low[:, 1].mean() == pytest.approx((400 - 70 - 16) / 3, abs=2)
    assert low[:, 0].mean() > high[:, 0].mean() + 50


def test_a_logarithmic_axis_leaves_out_what_has_no_place_and_keeps_equal_factors_equally_far() -> None:
    values = np.array([1.0, 10.0, 100.0, 0.0, -5.0, np.nan])
    drawn = chart("", [Series(values, values, joined=False)], Axis("x", is_log=True), Axis("y", is_log=True))
    columns = np.unique(places(drawn, COLOURS[0])[:, 1])
    groups = np.split(columns, np.flatnonzero(np.diff(columns) > 3) + 1)
    assert len(groups) == 3
    middles = [group.mean() for group in groups]
    assert middles[1] - middles[0] == pytest.approx(middles[2] - middles[1], abs=1)


@pytest.mark.parametrize("values", [[], [np.nan], [0.0, 0.0], [1e30, -1e30], [3.0]])
@pytest.mark.parametrize("is_log", [False, True])
def test_any_values_are_drawn(values: list[float], is_log: bool) -> None:
    series = [Series(np.arange(float(len(values))), np.array(values), "one"), Series(np.zeros(0), np.zeros(0), "two")]
    drawn = chart("title", series, Axis("x", names=["a", "b"]), Axis("y", is_log=is_log))
    assert drawn.shape == (380, 560, 3)
