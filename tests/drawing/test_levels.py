"""Palette indices against the formula, written out in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from deepvis_toolbox.drawing.levels import ZERO_SIGNED, to_levels

GAMMAS = (1.0, 0.7, 0.5, 0.3)
BOOSTS = (0.0, 0.3, 0.5, 0.8, 1.0)


def by_formula(maps: np.ndarray, gamma: float, boost: float, signed: bool) -> np.ndarray:
    values = maps.astype(np.float64)
    own = np.abs(values).reshape(len(values), -1).max(1)
    scale = own.max() ** (1 - boost) * own**boost
    shares = np.array([value / size if size else value * 0 for value, size in zip(values, scale, strict=True)])
    bent = np.sign(shares) * np.abs(shares) ** gamma
    return 128 + 127 * bent if signed else 1 + 254 * bent


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("boost", BOOSTS)
@pytest.mark.parametrize("signed", [False, True])
def test_indices_follow_the_formula(gamma: float, boost: float, signed: bool) -> None:
    random = np.random.default_rng(0)
    maps = random.normal(size=(9, 6, 5)).astype(np.float32) * random.uniform(0.01, 5, (9, 1, 1)).astype(np.float32)
    maps[4] = 0
    if not signed:
        maps = np.abs(maps)
    levels = to_levels(maps, gamma, boost)
    assert levels.signed is signed
    expected = by_formula(maps, gamma, boost, signed)
    # quantised before the gamma, a value may land in the next step where the curve is steep, near zero
    near_zero = np.abs(expected - (128 if signed else 1)) < 60
    assert np.abs(levels.indices - expected)[~near_zero].max() <= 1
    assert np.abs(levels.indices - expected).max() <= (1 if gamma == 1 else 13)


def test_full_boost_gives_every_live_channel_full_brightness_and_leaves_dead_ones_dark() -> None:
    maps = np.ones((3, 4, 4), np.float32) * np.array([1e-4, 0, 7], np.float32)[:, None, None]
    indices = to_levels(maps, channel_boost=1.0).indices
    assert indices[:, 0, 0].tolist() == [255, 1, 255]


def test_range_and_signs_of_a_flat_layer() -> None:
    levels = to_levels(np.array([-2, 0, 4], np.float32))
    assert (levels.low, levels.high, levels.signed) == (-2, 4, True)
    assert levels.indices.shape == (3, 1, 1)
    assert levels.indices.ravel().tolist() == [65, ZERO_SIGNED, 255]  # 64.5, rounded up


def test_values_that_are_not_finite_are_counted_and_shown_as_zero() -> None:
    maps = np.array([[[np.nan, 1.0], [np.inf, -np.inf]]], np.float32)
    levels = to_levels(maps)
    assert levels.not_finite == 3
    assert levels.indices.ravel().tolist() == [1, 255, 1, 1]


@pytest.mark.parametrize("size", [1e-38, 1e-20, 3e38])
@pytest.mark.parametrize("gamma", [1.0, 0.5])
def test_tiny_and_huge_values_do_not_overflow(size: float, gamma: float) -> None:
    maps = np.array([[[size, -size, 0]]], np.float32)
    with np.errstate(all="raise", under="ignore"):
        indices = to_levels(maps, gamma).indices.ravel()
    assert indices[2] == ZERO_SIGNED
    if size > 1e-30:
        assert indices.tolist() == [255, 1, ZERO_SIGNED]


def test_maps_of_zeros_and_of_no_size() -> None:
    assert (to_levels(np.zeros((4, 3, 3), np.float32)).indices == 1).all()
    assert to_levels(np.zeros((4, 0, 3), np.float32)).indices.shape == (4, 0, 3)
