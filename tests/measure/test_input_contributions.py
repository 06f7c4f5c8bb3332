"""What each place of the picture contributes to a unit, against plain torch; and the mean over repetitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import measure
from deepvis_toolbox.measure import AverageContributions, ContributionMap, Edit, Edited, GradCAM, InputContributions
from deepvis_toolbox.measure.input_contributions import MOST_REPETITIONS
from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.network.tracing import trace


class Small(nn.Module):
    """Two convolutions and classes, 32×32 in."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.second = nn.Conv2d(6, 4, 3, stride=2, padding=1)
        self.fc = nn.Linear(4, 5)

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(F.relu(self.first(x)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.maps(x).mean((2, 3))).softmax(1)


@pytest.fixture(scope="module", params=["RGB", "BGR"])
def network(request: pytest.FixtureRequest) -> TorchNetwork:
    how = Preprocessing((32, 32), channels=request.param, mean=127, std=128)
    module = trace(Small(), (3, 32, 32))
    return TorchNetwork(module, ModelDescription("small", how), torch.device("cpu"))


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (32, 32, 3)).astype(np.uint8)


def plain(network: TorchNetwork, x: torch.Tensor, unit: int) -> tuple[np.ndarray, np.ndarray]:
    """Gradient × input and the gradient, (H, W) and (H, W, 3), of the unit's map as the live diff."""
    x = x.clone().requires_grad_()
    own = Small().eval().maps(x)[:, unit]
    (gradient,) = torch.autograd.grad(own, x, own.detach())
    of_rgb = network.preprocessing.in_rgb_order(gradient[0].permute(1, 2, 0).numpy())
    return (gradient * x.detach()).sum(1)[0].numpy(), np.ascontiguousarray(of_rgb)


def layer_of(network: TorchNetwork) -> str:
    return next(name for name, layer in network.layers.items() if layer.shape == (4, 16, 16))


def test_contributions_are_gradient_times_network_input_summed_over_channels(network: TorchNetwork) -> None:
    answer = measure.Session(network).take(picture(), InputContributions(layer_of(network), 2))
    wanted, gradient = plain(network, network.preprocess(picture()), 2)
    assert answer.map.dtype == np.float32
    np.testing.assert_allclose(answer.map, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())
    np.testing.assert_allclose(answer.gradient, gradient, rtol=1e-3, atol=1e-3 * np.abs(gradient).max())
    assert (answer.map < 0).any()
    assert (answer.map > 0).any()


def test_a_picture_that_stands_still_is_averaged_over_noisy_repetitions(network: TorchNetwork) -> None:
    question = InputContributions(layer_of(network), 1)
    own = measure.Session(network).take(picture(), question)
    average = AverageContributions(network, question)
    answers = [average.follow(own) for _ in range(3)]
    assert [answer.repetitions for answer in answers] == [1, 2, 3]
    np.testing.assert_allclose(answers[0].map, own.map, rtol=1e-5, atol=1e-5)
    x = network.preprocess(picture())
    gradients = [plain(network, x, 1)[1]]
    for repetition in (1, 2):
        noise = np.random.default_rng(repetition).normal(0, 0.1 * float(x.max() - x.min()), (32, 32, 3))
        in_order = network.preprocessing.in_rgb_order(noise.astype(np.float32)).transpose(2, 0, 1).copy()
        gradients.append(plain(network, x + torch.from_numpy(in_order)[None], 1)[1])
    wanted = np.mean(gradients, 0)
    np.testing.assert_allclose(answers[2].gradient, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())
    np.testing.assert_allclose(answers[2].map, (wanted * own.values).sum(2), rtol=1e-3, atol=1e-2)


def test_repetitions_are_made_of_the_edited_network_where_the_answers_are(network: TorchNetwork) -> None:
    names = list(network.layers)
    edits = (Edit(names[1], (0, 1, 2), "zero"),)
    question = InputContributions(layer_of(network), 1)
    own = measure.Session(network).take(picture(), Edited(edits, question))
    edited, plain_one = (AverageContributions(network, question, each) for each in (edits, ()))
    gradients = []
    for average in (edited, plain_one):
        average.follow(own)
        gradients.append(2 * average.follow(own).gradient - own.gradient)
    passes = measure.Pass(network, picture(), network.preprocess(picture()) + noise_of(network))
    wanted = question.take(passes.edited(edits)).gradient
    np.testing.assert_allclose(gradients[0], wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())
    assert np.abs(gradients[1] - wanted).max() > 0.01 * np.abs(wanted).max()


def noise_of(network: TorchNetwork) -> torch.Tensor:
    """The noise of the first repetition, in the network's order."""
    x = network.preprocess(picture())
    noise = np.random.default_rng(1).normal(0, 0.1 * float(x.max() - x.min()), (32, 32, 3)).astype(np.float32)
    return torch.from_numpy(network.preprocessing.in_rgb_order(noise).transpose(2, 0, 1).copy())[None]


def of_values(values: np.ndarray, gradient: float) -> ContributionMap:
    filled = np.full(values.shape, gradient, np.float32)
    return ContributionMap((filled * values).sum(2), filled, values)


def test_a_camera_s_own_noise_counts_as_repetitions_and_another_picture_starts_anew(network: TorchNetwork) -> None:
    average = AverageContributions(network, InputContributions(layer_of(network), 0))
    random = np.random.default_rng(0)
    scene = random.uniform(-1, 1, (8, 8, 3)).astype(np.float32)
    for number, gradient in enumerate((1.0, 2.0, 6.0), 1):
        answer = average.follow(of_values(scene + random.normal(0, 0.01, scene.shape).astype(np.float32), gradient))
        assert answer.repetitions == number
    np.testing.assert_allclose(answer.gradient, 3, rtol=1e-5)
    answer = average.follow(of_values(-scene, 5.0))
    assert answer.repetitions == 1
    np.testing.assert_allclose(answer.gradient, 5)


def test_the_mean_has_an_end_and_still_follows_a_camera(network: TorchNetwork) -> None:
    average = AverageContributions(network, InputContributions(layer_of(network), 0))
    random, scene = np.random.default_rng(0), np.random.default_rng(1).uniform(-1, 1, (8, 8, 3)).astype(np.float32)
    for gradient in [1.0] * MOST_REPETITIONS + [2.0] * 4 * MOST_REPETITIONS:
        noisy = scene + random.normal(0, 0.01, scene.shape).astype(np.float32)
        answer = average.follow(of_values(noisy, gradient))
    assert answer.repetitions == MOST_REPETITIONS
    assert average.is_finished
    assert 1.95 < float(answer.gradient.mean()) < 2.0
    same = average.follow(of_values(noisy, 2.0))
    np.testing.assert_array_equal(same.gradient, answer.gradient)


def test_grad_cam_of_a_probability_starts_at_what_goes_into_the_softmax(network: TorchNetwork) -> None:
    session, names = measure.Session(network), list(network.layers)
    probability, logits = names[-1], names[-2]
    heat = session.take(picture(), GradCAM(probability, 3))
    assert heat.start == logits
    np.testing.assert_array_equal(heat.map, session.take(picture(), GradCAM(logits, 3)).map)
    assert heat.map.any()
