"""Diversity: against plain NumPy and torch, whatever is made of a unit's pictures, and where it makes no sense."""

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import AscentSettings, ToolboxError, Unit, preferred_images
from deepvis_toolbox.optimize.cli.optimize_command import main
from deepvis_toolbox.optimize.method.diversity import Diversity, diversity_for
from deepvis_toolbox.optimize.method.targets import objective_of
from tests.optimize.networks import curved_network, network_of

MODEL = ["--model", "tests.optimize.networks:small_classifier", "--input-size", "24x20", "--mean", "110"]
STEPS = {"max_iter": 12, "lr_policy": "adam", "lr_params": {"lr": 2.0}}


def values(count, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 2, (count, 5, 6, 4)).astype(np.float32))


def plain_likeness(pictures):
    """pictures: (M, views, C, H, W)."""
    grams = []
    for views in pictures:
        flat = [view.reshape(view.shape[0], -1).astype(np.float64) for view in views]
        grams.append(np.mean([each @ each.T for each in flat], axis=0))
    found = []
    for i, own in enumerate(grams):
        others = [
            float((own * each).sum() / np.sqrt((own**2).sum() * (each**2).sum()))
            for j, each in enumerate(grams)
            if j != i
        ]
        found.append(np.mean(others) if others else 0.0)
    return found


@pytest.mark.parametrize(("count", "views"), [(3, 1), (2, 2), (1, 1)])
def test_likeness_is_the_mean_cosine_of_the_gram_matrices_to_the_others(count, views):
    given = values(count * views)
    found = Diversity("conv", 1.0, views).likeness(given)
    np.testing.assert_allclose(
        found, plain_likeness(given.numpy().reshape(count, views, 5, 6, 4)), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("views", [1, 2])
def test_what_it_adds_is_the_derivative_by_finite_differences(views):
    net = curved_network()
    diversity = Diversity("conv1", 3.0, views)
    x = torch.from_numpy(np.random.default_rng(1).normal(0, 0.5, (4, 3, 24, 20)).astype(np.float32))
    recording = net.record(x, ["conv1"])
    slope, below = diversity.diffs(recording)["conv1"].double(), recording.below_rectifier("conv1").double()
    direction = torch.from_numpy(np.random.default_rng(2).normal(0, 1, tuple(below.shape)))
    ahead, behind = (diversity.likeness(below + sign * 1e-4 * direction).sum() for sign in (1, -1))
    expected = -3.0 * views * float(ahead - behind) / 2e-4
    assert float((slope * direction).sum()) == pytest.approx(expected, rel=2e-3)


def test_pictures_that_are_held_apart_are_less_alike():
    net = curved_network()

    def likeness(**more):
        results = preferred_images(net, [Unit("fc", 3)], [0, 1, 2], AscentSettings(**{**STEPS, "max_iter": 40, **more}))
        x = torch.from_numpy(np.stack([result.last for result in results])) / 64
        return float(Diversity("conv2", 1.0, 1).likeness(net.record(x, ["conv2"]).below_rectifier("conv2")).mean())

    assert likeness(diversity=100.0) < likeness() - 0.01


def test_the_same_pictures_come_of_every_batch_size_and_of_what_is_missing(tmp_path):
    asked = [*MODEL, "--units", "fc:1", "fc:2", "--seeds", "0-2", "--max-iter", "5", "--diversity", "5", "-q"]
    asked += ["--lr-policy", "adam", "--lr-params", "{'lr': 2.0}"]
    one, other = tmp_path / "one", tmp_path / "other"
    assert main([*asked, "--store", str(one)]) == 0
    assert main([*asked, "--store", str(other), "--batch-size", "1"]) == 0
    for lost in [*other.rglob("fc_0001_s0001*"), *other.rglob("fc_0002_s0000*")]:
        lost.unlink()
    assert main([*asked, "--store", str(other)]) == 0
    names = sorted(path.relative_to(one) for path in one.rglob("*.png"))
    assert len(names) == 12
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_other_seeds_beside_it_make_another_picture_and_it_is_said(tmp_path, capsys):
    asked = [*MODEL, "--units", "fc:1", "--max-iter", "3", "--diversity", "5", "--store", str(tmp_path), "-q"]
    assert main([*asked, "--seeds", "0-1"]) == 0
    assert main([*asked, "--seeds", "0-2"]) == 2
    assert "beside" in capsys.readouterr().err


def test_a_network_without_places_below_is_refused():
    net = network_of(nn.Sequential(nn.Flatten(), nn.Linear(24 * 20 * 3, 4)))
    name = list(net.layers)[-1]
    settings = AscentSettings(diversity=1.0)
    with pytest.raises(ToolboxError, match="leave it out"):
        diversity_for(net, objective_of([Unit(name, 3)], net, settings), settings)
