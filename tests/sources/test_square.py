"""Crop to the largest centred square, or stretch."""

import numpy as np
import pytest

from deepvis_toolbox.sources.square import fit_square

ROWS, COLUMNS = np.mgrid[0:40, 0:100].astype(np.uint8)
WIDE = np.dstack([ROWS, COLUMNS, ROWS])


def test_crop_keeps_the_middle_of_a_wide_and_of_a_tall_picture() -> None:
    np.testing.assert_array_equal(fit_square(WIDE, "crop"), WIDE[:, 30:70])
    tall = WIDE.transpose(1, 0, 2)
    np.testing.assert_array_equal(fit_square(tall, "crop"), tall[30:70])


def test_stretch_shows_everything_from_edge_to_edge() -> None:
    fitted = fit_square(WIDE, "stretch")
    assert fitted.shape == (40, 40, 3)
    assert fitted[:, 0, 1].max() <= 2
    assert fitted[:, -1, 1].min() >= 97
    assert (np.diff(fitted[0, :, 1].astype(int)) > 0).all()


@pytest.mark.parametrize("how", ["crop", "stretch"])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 2), (33, 33)])
def test_the_result_is_square_with_the_short_side(how, size: tuple[int, int]) -> None:
    image = np.zeros((*size, 3), np.uint8)
    fitted = fit_square(image, how)
    assert fitted.shape == (min(size), min(size), 3)
    assert fitted.flags.c_contiguous
