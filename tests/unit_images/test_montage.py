"""Montages that are written: tiny pictures stay apart from their neighbours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.unit_images.montage import (
    LEGIBLE_TILE,
    enlarged,
    legible,
    legible_montage,
    montage3x3,
    montage_for_jpeg,
    tiles_of_3x3,
)
from deepvis_toolbox.unit_images.picture_file import read_picture, write_picture


def test_pictures_of_3_by_3_pixels_are_not_mixed_by_jpeg(tmp_path: Path) -> None:
    images = [np.full((3, 3, 3), colour, np.uint8) for colour in ([250, 20, 20], [20, 250, 20], [20, 20, 250]) * 3]
    write_picture(tmp_path / "montage.jpg", montage_for_jpeg(images))
    for tile, image in zip(tiles_of_3x3(read_picture(tmp_path / "montage.jpg")), images, strict=True):
        middle = tile[4:-4, 4:-4].reshape(-1, 3).astype(int)
        assert np.abs(middle - image[0, 0]).mean() < 12


def test_pictures_are_enlarged_by_whole_pixels_and_never_shrunk() -> None:
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    larger = enlarged(image, 32)
    assert larger.shape == (20, 30, 3)
    np.testing.assert_array_equal(larger[::10, ::10], image)
    np.testing.assert_array_equal(enlarged(larger, 8), larger)


def test_pictures_of_which_no_montage_can_be_read_again_are_refused_before_memory_is_taken() -> None:
    line = np.broadcast_to(np.zeros(3, np.uint8), (20_000_000, 1, 3))
    with pytest.raises(ToolboxError, match="1×20000000 pixels are too large"):
        montage3x3([line])


@pytest.mark.parametrize("side", [1, 3, 11])
def test_of_few_pixels_each_is_a_square_of_a_tile(side):
    image = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    tile = legible(image)
    times = LEGIBLE_TILE // side
    assert tile.shape == (side * times, side * times, 3)
    np.testing.assert_array_equal(tile[::times, ::times], image)
    np.testing.assert_array_equal(tile, enlarged(image, LEGIBLE_TILE))


def test_small_pictures_are_enlarged_smoothly_and_larger_ones_stay():
    ramp = np.broadcast_to(np.arange(0, 190, 10, np.uint8)[None, :, None], (19, 19, 3))
    tile = legible(ramp)
    assert tile.shape == (95, 95, 3)
    assert np.abs(np.diff(tile[:, 10:-10].astype(int), axis=1)).max() <= 3, "no squares"
    large = np.zeros((30, 48, 3), np.uint8)
    assert legible(large) is large
    assert legible_montage([ramp] * 9).shape == (3 * 95 + 2, 3 * 95 + 2, 3)
