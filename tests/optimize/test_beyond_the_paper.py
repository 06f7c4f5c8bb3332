"""Parametrizations, robustness and total variation: what came after the paper."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from deepvis_toolbox import AscentSettings, Unit, preferred_images
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.optimize.method.parametrization import PARAMETRIZATIONS
from deepvis_toolbox.optimize.method.robustness import Robustness
from tests.optimize.networks import curved_network, linear_network, network_values

CPU = torch.device("cpu")


def noise(seed=0, shape=(2, 3, 24, 20)):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 10, shape).astype(np.float32))


@pytest.mark.parametrize("channels", ["RGB", "BGR", "gray"])
@pytest.mark.parametrize("name", PARAMETRIZATIONS)
def test_a_parametrizations_step_is_its_map_and_the_maps_transpose(name, channels):
    preprocessing = Preprocessing((24, 20), channels)
    made = PARAMETRIZATIONS[name](preprocessing, CPU)
    u, v = noise(0, (2, *preprocessing.input_shape)), noise(1, (2, *preprocessing.input_shape))
    inner = (made.image(u).double() * made.image(v)).sum()
    torch.testing.assert_close((u.double() * made.step(v)).sum(), inner, rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(made.image(made.image(u)), made.step(u), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("name", PARAMETRIZATIONS)
def test_a_parametrization_keeps_the_size_of_noise(name):
    images = PARAMETRIZATIONS[name](Preprocessing((64, 64)), CPU).image(noise(0, (40, 3, 64, 64)))
    assert 9 < images.square().mean().sqrt() < 11


@pytest.mark.parametrize("name", PARAMETRIZATIONS)
def test_the_step_policy_predicts_the_progress_under_every_parametrization(name):
    """On a linear network the prediction is exact: each step gains what was asked for."""
    policy = {"lr_policy": "progress", "lr_params": {"max_lr": 1e9, "desired_prog": 0.25}}
    settings = AscentSettings(max_iter=6, parametrization=name, start_at="mean", **policy)
    (result,) = preferred_images(linear_network(), [Unit("fc", 2)], [0], settings)
    np.testing.assert_allclose(np.diff(result.objective), 0.25, rtol=1e-3)


def test_fourier_steps_are_smoother_than_pixels_and_decorrelated_ones_less_colourful():
    def picture(name):
        settings = AscentSettings(max_iter=2, parametrization=name, start_at="mean", lr_params={"lr": 1e3})
        return preferred_images(linear_network(), [Unit("fc", 2)], [0], settings)[0].last

    def roughness(x):
        return np.abs(np.diff(x, axis=2)).mean() / x.std()

    def colour(x):
        return (x - x.mean(0)).std() / x.std()

    assert roughness(picture("fourier")) < 0.7 * roughness(picture("pixels"))
    assert colour(picture("fourier-decorrelated")) < 0.7 * colour(picture("fourier"))


def test_the_gradient_is_carried_back_through_the_transformation_by_its_transpose():
    robustness = Robustness(1.0, [3, 4], 5, CPU)
    x, g = noise(0), noise(1)
    there, pull_back = robustness.warped(x, torch.arange(2), 2)
    torch.testing.assert_close((there * g).sum(), (x * pull_back(g)).sum(), rtol=1e-3, atol=1e-1)
    assert (there - x).abs().mean() > 1


def test_a_transformation_depends_on_the_seed_and_the_step_alone():
    x, both, one = noise(), Robustness(1.0, [3, 4], 5, CPU), Robustness(1.0, [4], 9, CPU)
    there, _ = both.warped(x, torch.arange(2), 1)
    alone, _ = one.warped(x[1:], torch.arange(1), 1)
    only_second, _ = both.warped(x[1:], torch.tensor([1]), 1)
    assert torch.equal(only_second, there[1:])
    torch.testing.assert_close(alone, there[1:], atol=1e-3, rtol=1e-3)
    assert not torch.allclose(both.warped(x, torch.arange(2), 2)[0], there)


def test_a_transformation_shifts_by_at_most_its_strength():
    spot = torch.zeros((50, 1, 65, 65))
    spot[:, :, 32, 32] = 1.0
    there, _ = Robustness(0.5, list(range(50)), 1, CPU).warped(spot, torch.arange(50), 0)
    places = np.array([np.unravel_index(int(image.argmax()), (65, 65)) for image in there]) - 32
    assert 2 <= np.abs(places).max() <= 5
    assert np.abs(places.mean(0)).max() < 1.5


def test_robust_runs_climb_and_are_the_same_when_repeated():
    settings = AscentSettings(max_iter=25, robust=1.0, lr_params={"lr": 3e3}, start_at="mean")
    first, second = (preferred_images(curved_network(), [Unit("fc", 2)], [1], settings)[0] for _ in range(2))
    np.testing.assert_array_equal(first.last, second.last)
    assert first.objective[-5:].mean() > first.objective[:5].mean()


def test_total_variation_evens_the_picture_out():
    settings = {"max_iter": 20, "lr_policy": "progress", "lr_params": {"max_lr": 1e6, "desired_prog": 0.05}}
    plain, even = (
        preferred_images(curved_network(), [Unit("fc", 2)], [0], AscentSettings(tv=tv, **settings))[0].last
        for tv in (0.0, 1.0)
    )
    assert np.abs(np.diff(even, axis=2)).mean() < 0.8 * np.abs(np.diff(plain, axis=2)).mean()


def test_contributions_rank_pixels_as_their_removal_does_on_the_default_network(default_network, record_property):
    """|b| is a linear estimate of the change without the pixel; docs/preferred-images.md gives the figure."""
    net = default_network
    x = torch.from_numpy(np.random.RandomState(0).normal(0, 10, (1, *net.input_shape)).astype(np.float32))
    seen = net.ascent_pass("fc", None)(network_values(net, x), torch.tensor([9]))
    gradient = (seen.gradient * torch.tensor(net.preprocessing.gain).reshape(-1, 1, 1))[0]
    benefit = (gradient * x[0]).sum(0).abs()
    places = np.random.RandomState(1).randint(0, 224, (48, 2))
    without = x.repeat(len(places), 1, 1, 1)
    for row, (i, j) in enumerate(places):
        without[row, :, i, j] = 0
    values = torch.cat([net.forward(network_values(net, part), ["fc"])["fc"][:, 9] for part in without.split(8)])
    correlation = spearmanr([float(benefit[i, j]) for i, j in places], (values - seen.values[0, 9]).abs()).statistic
    record_property("rank_correlation", float(correlation))
    print(f"rank correlation of |b| with the change without the pixel: {correlation:.3f}")
    assert correlation > 0.6
