"""Heat over a picture: what is bright, what is dimmed, where the outline runs."""

from __future__ import annotations

import numpy as np
import pytest

from deepvis_toolbox.drawing.backward_views import contributions_picture, smoothed_contributions
from deepvis_toolbox.drawing.colours import ramp_palette
from deepvis_toolbox.drawing.heat import GROUND_BRIGHTNESS, paint_area, paint_heat

BLUE, BLACK, ORANGE = (0, 0, 255), (0, 0, 0), (255, 128, 0)
PALETTE = ramp_palette((9, 9, 9), (BLUE, BLACK, ORANGE))


def spot() -> np.ndarray:
    values = np.zeros((40, 40), np.float32)
    values[10:20, 20:30] = 1
    return values


def test_the_area_keeps_its_brightness_the_rest_is_dimmed_and_an_outline_runs_between() -> None:
    pixels = np.full((40, 40, 3), 200, np.uint8)
    paint_area(pixels, spot(), 0.5, (255, 0, 0), 1)
    assert (pixels[14:16, 24:26] == 200).all()
    assert (pixels[30:, :10] == round(200 * GROUND_BRIGHTNESS)).all()
    red = (pixels[:, :, 0].astype(int) - pixels[:, :, 1]) > 100
    rows, columns = np.nonzero(red)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((10, 19, 20, 29), abs=1)


def test_heat_colours_only_where_the_map_is_large() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    paint_heat(pixels, spot() - 0.1, 0.9)
    spread = np.ptp(pixels.astype(int), axis=2)
    assert (spread[30:, :10] == 0).all(), "gray beside it"
    assert (spread[12:18, 22:28] > 60).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_count_as_zero(bad: float) -> None:
    with_bad, without = spot(), spot()
    with_bad[0, 0] = bad
    for paint in (lambda pixels, values: paint_heat(pixels, values, 1.0),
                  lambda pixels, values: paint_area(pixels, values, 0.5, ORANGE, 1)):  # fmt: skip
        one, other = (np.full((40, 40, 3), 90, np.uint8) for _ in range(2))
        paint(one, with_bad)
        paint(other, without)
        assert np.array_equal(one, other)
    assert np.array_equal(smoothed_contributions(with_bad)[0], smoothed_contributions(without)[0])


def test_contributions_have_two_colours_and_99_5_per_cent_lie_below_the_full_ones() -> None:
    values = np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)
    smooth, full = smoothed_contributions(values)
    assert np.mean(np.abs(smooth) < full) == pytest.approx(0.995, abs=0.001)
    assert smooth.std() < values.std() / 3
    picture = contributions_picture(smooth, full, PALETTE)
    largest, least = (np.unravel_index(int(which(smooth)), smooth.shape) for which in (np.argmax, np.argmin))
    assert tuple(picture[largest]) == ORANGE
    assert tuple(picture[least]) == BLUE
    assert (picture[np.abs(smooth) < full / 300] <= 2).all()


def test_contributions_of_a_single_place_still_have_a_scale() -> None:
    values = np.zeros((100, 100), np.float32)
    values[50, 50] = 3
    smooth, full = smoothed_contributions(values)
    assert full > 0
    assert tuple(contributions_picture(smooth, full, PALETTE)[50, 50]) == ORANGE
    assert smoothed_contributions(values * 0)[1] == 0
    assert (contributions_picture(values * 0, 0.0, PALETTE) <= 2).all()
