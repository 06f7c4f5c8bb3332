"""Spatial frequencies against waves of known ones, and what filters do against plain autograd and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.paper.figures.frequencies import upper_share
from deepvis_toolbox.paper.spectra import (
    filter_frequency,
    filter_use,
    filters_of,
    high_share,
    radial_spectrum,
    rank_correlation,
)
from tests.optimize.networks import linear_network


def wave(frequency: float, size: int = 64) -> np.ndarray:
    return np.cos(2 * np.pi * frequency * np.arange(size))[None, None, :, None] * np.ones((1, 1, 1, size))


@pytest.mark.parametrize("frequency", [0.0625, 0.125, 0.25, 0.4375])
def test_the_spectrum_of_a_wave_is_largest_at_its_frequency(frequency: float) -> None:
    found, power = radial_spectrum(wave(frequency) * 40 + 100)
    assert found[power.argmax()] == pytest.approx(frequency, abs=1 / 64)


def test_the_spectrum_of_white_noise_is_flat_and_that_of_its_sum_falls_as_the_square_of_the_frequency() -> None:
    noise = np.random.default_rng(0).normal(size=(60, 3, 64, 64))
    frequency, power = radial_spectrum(noise)
    assert power[4:].std() < 0.1 * power[4:].mean()
    radius = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64)[None])
    radius[0, 0] = np.inf
    red = np.fft.ifft2(np.fft.fft2(noise) / radius).real
    _, power = radial_spectrum(red)
    slope = np.polyfit(np.log(frequency[4:-1]), np.log(power[4:-1]), 1)[0]
    assert slope == pytest.approx(-2, abs=0.2)


def test_the_share_of_high_frequencies_is_that_of_the_area_for_white_noise_and_all_or_nothing_for_waves() -> None:
    noise = np.random.default_rng(1).normal(size=(20, 1, 64, 64))
    assert high_share(noise) == pytest.approx(1 - np.pi / 16, abs=0.01)
    assert high_share(wave(0.125) + 7) == pytest.approx(0, abs=1e-9)
    assert high_share(wave(0.375)) == pytest.approx(1)
    assert high_share(np.full((1, 3, 8, 8), 9.0)) == 0


def test_a_filters_frequency_is_that_of_its_wave() -> None:
    assert filter_frequency(wave(0.25, 32)[0]) == pytest.approx(0.25)
    assert filter_frequency(np.zeros((3, 5, 5))) == 0
    smooth, edge = np.ones((1, 3, 3)), np.array([[[1.0, -2, 1]]])
    assert filter_frequency(smooth) < 0.25 < filter_frequency(edge)


def test_what_filters_do_is_what_plain_autograd_says() -> None:
    net = linear_network()
    random = torch.Generator().manual_seed(3)
    batches = [torch.randn((2, 3, 24, 20), generator=random), torch.randn((1, 3, 24, 20), generator=random)]
    found = filter_use(net, "conv", "fc", batches)

    torch.manual_seed(0)  # the network's own
    conv, fc = nn.Conv2d(3, 6, 5, stride=2, padding=2), nn.Linear(6 * 12 * 10, 7)
    activation, energy = torch.zeros(6), torch.zeros(6)
    for x in torch.cat(batches):
        values = conv(x[None]).detach().requires_grad_()
        fc(values.flatten(1)).max().backward()
        activation += values.detach().abs().mean((0, 2, 3)) / 3
        energy += values.grad.square().mean((0, 2, 3)) / 3
    energy *= conv.weight.detach().square().sum((1, 2, 3))
    np.testing.assert_allclose(found.activation, activation, rtol=1e-5)
    np.testing.assert_allclose(found.gradient_energy, energy, rtol=1e-4)
    for weights, own in zip(filters_of(net, "conv"), conv.weight.detach().numpy(), strict=True):
        np.testing.assert_allclose(weights, own, rtol=1e-5)


def test_filters_of_a_higher_layer_are_refused_in_a_sentence() -> None:
    with pytest.raises(ToolboxError, match='the layer "fc" of small does not read the picture itself'):
        filters_of(linear_network(), "fc")


def test_the_rank_correlation_is_scipys() -> None:
    first, second = np.random.default_rng(2).integers(0, 6, (2, 40))
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert rank_correlation(first, np.ones(40)) == 0


def test_the_upper_halfs_share_is_that_of_the_larger_frequencies() -> None:
    assert upper_share(np.array([0.1, 0.4, 0.2, 0.3]), np.array([1.0, 4, 2, 3])) == pytest.approx(0.7)
    assert upper_share(np.array([0.1, 0.2]), np.zeros(2)) == 0
