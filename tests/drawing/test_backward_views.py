"""The four backward views against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from deepvis_toolbox.drawing.backward_views import backward_picture
from deepvis_toolbox.words.backward import BACKWARD_VIEWS


@pytest.fixture
def gradient() -> np.ndarray:
    values = np.random.default_rng(2).normal(size=(60, 50, 3)) * np.linspace(0, 1, 50)[None, :, None]
    return values.astype(np.float32)


def brightness(values: np.ndarray) -> np.ndarray:
    """From black, all but two in a thousand below full brightness."""
    return np.clip(values * 255 / np.percentile(values, 99.8), 0, 255)


def test_raw_is_the_gradient_around_mid_gray(gradient: np.ndarray) -> None:
    expected = np.clip(127.5 + 127 * gradient / np.percentile(np.abs(gradient), 99.8), 0, 255)
    assert np.abs(backward_picture(gradient, "raw") - expected).max() <= 1


def test_gray_is_the_mean_over_channels_around_mid_gray(gradient: np.ndarray) -> None:
    mean = gradient.mean(axis=2)
    expected = np.clip(127.5 + 127 * mean / np.percentile(np.abs(mean), 99.8), 0, 255)
    picture = backward_picture(gradient, "gray")
    assert np.abs(picture - expected[:, :, None]).max() <= 1


def test_norm_is_the_length_over_channels(gradient: np.ndarray) -> None:
    expected = brightness(np.linalg.norm(gradient, axis=2))
    assert np.abs(backward_picture(gradient, "norm")[:, :, 1] - expected).max() <= 1


@pytest.mark.parametrize("radius", [2.0, 4.0])
def test_norm_blurred_is_blurred_by_a_gaussian_of_that_radius(gradient: np.ndarray, radius: float) -> None:
    expected = brightness(gaussian_filter(np.linalg.norm(gradient, axis=2), radius))
    picture = backward_picture(gradient, "norm blurred", radius)
    assert np.abs(picture[:, :, 0] - expected).max() <= 2


@pytest.mark.parametrize("view", BACKWARD_VIEWS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_number_of_channels_gives_rgb(view: str, channels: int) -> None:
    values = np.random.default_rng(0).normal(size=(20, 30, channels)).astype(np.float32)
    picture = backward_picture(values, view)
    assert picture.shape == (20, 30, 3)
    assert picture.dtype == np.uint8
    assert picture.min() < picture.max()


@pytest.mark.parametrize("view", BACKWARD_VIEWS)
def test_zeros_are_flat_and_values_that_are_not_finite_count_as_zero(view: str) -> None:
    zero = backward_picture(np.zeros((40, 40, 3), np.float32), view)
    assert zero.min() == zero.max() == (127 if view in ("raw", "gray") else 0)
    values = np.zeros((40, 40, 3), np.float32)
    values[20, 20] = 1
    with_nan = values.copy()
    with_nan[0, 0] = (np.nan, np.inf, -np.inf)
    assert (backward_picture(with_nan, view) == backward_picture(values, view)).all()


@pytest.mark.parametrize("size", [1e-25, 1e30])
def test_norms_of_tiny_and_huge_gradients_are_not_lost(gradient: np.ndarray, size: float) -> None:
    usual = backward_picture(gradient, "norm").astype(int)
    assert np.abs(backward_picture(gradient * np.float32(size), "norm") - usual).max() <= 1
