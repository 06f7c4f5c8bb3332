"""Small changes, locality and confidence, against plain torch and sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deepvis_toolbox.paper.channel_choice import channel_largest, channel_maps, telling_channel
from deepvis_toolbox.paper.codes import channel_strengths, confidences, inputs, participation, relative_changes
from deepvis_toolbox.words.perturbation import UNPERTURBED, Perturbation
from tests.nets import Classic, opened

LAYERS = ["conv1", "conv2", "fc"]


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return opened(Classic(features=8 * 7 * 7), (32, 32), labels=tuple("abcdefghij"), label_layers=("fc", "prob"))


@pytest.fixture(scope="module")
def x() -> torch.Tensor:
    return torch.randn((3, 3, 32, 32), generator=torch.Generator().manual_seed(1)) * 50


def test_the_relative_change_is_the_norm_of_the_difference_over_the_norm(net, x: torch.Tensor) -> None:
    noisy = x + torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    found = relative_changes(net, x, noisy, [net.input_name, *LAYERS])
    assert found.shape == (3, 4)
    for row, (old, new) in enumerate(zip(x, noisy, strict=True)):
        assert found[row, 0] == pytest.approx(float((new - old).norm() / old.norm()), rel=1e-5)
        before, after = (net.forward(each[None], LAYERS) for each in (old, new))
        for column, name in enumerate(LAYERS, start=1):
            expected = np.linalg.norm(after[name] - before[name]) / np.linalg.norm(before[name])
            assert found[row, column] == pytest.approx(float(expected), rel=1e-4)


def test_a_silent_layer_has_no_relative_change(net) -> None:
    zero = torch.zeros((1, 3, 32, 32))
    assert np.isnan(relative_changes(net, zero, zero + 1, [net.input_name])).all()


@pytest.mark.parametrize(
    ("values", "share"),
    [([1, 1, 1, 1], 1), ([5, 0, 0, 0], 0.25), ([2, 2, 0, 0], 0.5), ([3, 1, 0, 0], 16 / 40), ([0, 0, 0, 0], np.nan)],
)
def test_participation_is_the_share_of_those_that_take_part(values: list[float], share: float) -> None:
    strengths = np.array([values, values], np.float32)
    np.testing.assert_allclose(participation(strengths, 1), [share, share])
    np.testing.assert_allclose(participation(strengths.T, 0), [share, share])


def test_strengths_and_maps_of_channels_are_those_of_the_forward_pass(net, x: torch.Tensor) -> None:
    strengths = channel_strengths(net, [x[:2], x[2:]], LAYERS)
    plain = net.forward(x, LAYERS)
    for name, found in zip(LAYERS, strengths, strict=True):
        expected = plain[name].flatten(2).amax(2) if plain[name].ndim > 2 else plain[name]
        np.testing.assert_allclose(found, expected.clamp(min=0), rtol=1e-5)
    layer = net.layers["conv2"]
    np.testing.assert_allclose(channel_largest(net, [x], layer), plain["conv2"].amax((2, 3)), rtol=1e-5)
    np.testing.assert_allclose(channel_maps(net, [x], layer, 3), plain["conv2"][:, 3], rtol=1e-5)


def test_the_telling_channel_is_the_one_whose_largest_activations_differ_most() -> None:
    assert telling_channel(np.array([[9, 1, 2], [9, 1, 8], [9, 1.5, 2]], np.float32)) == 2


def test_confidence_is_the_largest_of_the_softmax(net, x: torch.Tensor) -> None:
    shares = net.forward(x, ["fc"])["fc"].softmax(1)
    confident, classes = confidences(net, x)
    np.testing.assert_allclose(confident, shares.amax(1), rtol=1e-5)
    assert classes.tolist() == shares.argmax(1).tolist()


def test_a_changed_frame_has_the_noise_that_was_asked_for_the_same_each_time(net) -> None:
    frames = [np.full((32, 32, 3), 120, np.uint8)] * 2
    clean, noisy = (inputs(net, frames, how) for how in (UNPERTURBED, Perturbation(noise=5)))
    assert torch.equal(clean, torch.full_like(clean, 120))
    assert float((noisy - clean).std()) == pytest.approx(5, rel=0.05)
    assert not torch.equal(noisy[0], noisy[1])
    assert torch.equal(noisy[1:], inputs(net, frames[1:], Perturbation(noise=5), first=1))
