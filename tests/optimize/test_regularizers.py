"""Every regularizer and the percentile against NumPy and SciPy, for each picture of a batch."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from deepvis_toolbox.optimize import AscentSettings
from deepvis_toolbox.optimize.method.percentile import reaching_percentile_
from deepvis_toolbox.optimize.method.regularizers import REGULARIZERS, active
from deepvis_toolbox.optimize.method.regularizers.blur import Blur
from tests.optimize import plain_ascent


def batch(shape=(4, 3, 23, 17), seed=0):
    random = np.random.default_rng(seed)
    return random.normal(0, 40, shape).astype(np.float32), random.normal(0, 1e-3, shape).astype(np.float32)


@pytest.mark.parametrize("name", REGULARIZERS)
@pytest.mark.parametrize("step", [0, 1, 3])
def test_each_regularizer_does_to_every_picture_what_its_plain_version_does(name, step):
    assert name in plain_ascent.REGULARIZERS, f'write the plain version of "{name}" in plain_ascent.py'
    values, plain = plain_ascent.REGULARIZERS[name]
    settings = AscentSettings(**values)
    (regularizer,) = active(settings.regularizers)
    assert regularizer.name == name
    x, g = batch()
    got = regularizer.apply(torch.from_numpy(x.copy()), torch.from_numpy(g), step).numpy()
    expected = [plain(a, b, step, settings) for a, b in zip(x.astype(float), g.astype(float), strict=True)]
    np.testing.assert_allclose(got, np.stack(expected), rtol=1e-5, atol=1e-4)


def test_regularizers_come_in_the_order_of_one_step_and_only_where_switched_on():
    everything = {key: value for values, _ in plain_ascent.REGULARIZERS.values() for key, value in values.items()}
    assert [each.name for each in active(AscentSettings(**everything).regularizers)] == list(plain_ascent.REGULARIZERS)
    assert active(AscentSettings().regularizers) == []
    assert active(AscentSettings(blur_radius=1.0, blur_every=0).regularizers) == []


@pytest.mark.parametrize("percentile", [0, 1, 12.5, 33.3, 50, 55, 90, 99.9, 100])
@pytest.mark.parametrize("count", [1, 2, 9, 101, 1000, 20_001])
def test_reaching_a_percentile_is_numpys_comparison_for_each_row(percentile, count):
    random = np.random.default_rng(count)
    normal, sparse = random.normal(size=count), random.normal(size=count) * (random.random(count) < 0.4)
    values = np.stack(
        [normal, np.round(normal), np.zeros(count), np.abs(normal), -np.abs(normal), sparse, np.abs(sparse),
         np.sort(normal), np.arange(count) % 16]  # of the last one a sample shows one value alone
    )  # fmt: skip
    values = values.astype(np.float32)
    expected = [row >= np.percentile(row.astype(np.float64), percentile) for row in values]
    np.testing.assert_array_equal(reaching_percentile_(torch.from_numpy(values), percentile).numpy(), expected)


def test_reaching_a_percentile_where_the_position_misses_a_value_by_rounding_alone():
    values = np.arange(101, dtype=np.float32)[None]
    for percentile in (7, 14, 28, 55, 56, 57, 58):  # 7 / 100 * 100 is 7.000000000000001
        expected = values >= np.percentile(values.astype(np.float64), percentile)
        np.testing.assert_array_equal(reaching_percentile_(torch.from_numpy(values), percentile).numpy(), expected)


def test_nan_counts_as_largest_and_reaches_no_percentile():
    values = torch.tensor([[3.0, torch.nan, 1.0, 2.0], [-3.0, 1.0, torch.nan, 2.0]])
    assert reaching_percentile_(values, 50).tolist() == [[1, 0, 0, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize("sigma", [0.1, 0.3, 0.5, 1.0, 2.7, 12.0])
@pytest.mark.parametrize("size", [(23, 17), (1, 9), (5, 1), (64, 64)])
def test_blur_is_scipys_also_where_the_kernel_is_wider_than_the_image(sigma, size):
    x = np.random.default_rng(0).normal(0, 50, (2, 3, *size)).astype(np.float32)
    got = Blur(sigma, 1).apply(torch.from_numpy(x.copy()), torch.empty(0), 0).numpy()
    expected = np.stack([[gaussian_filter(channel.astype(float), sigma) for channel in image] for image in x])
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("name", REGULARIZERS)
def test_a_regularizer_treats_a_picture_alike_whatever_it_is_batched_with(name):
    (regularizer,) = active(AscentSettings(**plain_ascent.REGULARIZERS[name][0]).regularizers)
    x, g = batch()
    together = regularizer.apply(torch.from_numpy(x.copy()), torch.from_numpy(g), 0)
    for row in range(len(x)):
        alone = regularizer.apply(torch.from_numpy(x[row : row + 1].copy()), torch.from_numpy(g[row : row + 1]), 0)
        assert torch.equal(alone[0], together[row])
