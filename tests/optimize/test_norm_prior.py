"""Batch-norm statistics as a prior: against plain torch, in every batch, and where there is nothing to hold to."""

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import AscentSettings, ToolboxError, Unit, preferred_images
from deepvis_toolbox.optimize.method.norm_prior import SMALLEST, norm_prior_for
from deepvis_toolbox.optimize.method.targets import objective_of
from tests.optimize.networks import (
    curved_network,
    network_of,
    network_values,
    normed_module,
    normed_network,
    rectified_network,
)

PRIOR = {"norm_prior": 3.0}
STEPS = {"lr_policy": "adam", "lr_params": {"lr": 2.0}}


def noise(shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 30, shape).astype(np.float32))


def plain_distance(module, x, views):
    """Of the norms' own running statistics, on what the convolutions give; the mean and deviation over all views."""
    total = 0
    for name, each in module.named_children():
        if name.startswith("norm"):
            gamma = each.weight.abs() + SMALLEST
            sigma = (each.running_var + each.eps).sqrt()
            given = x.unflatten(0, (-1, views)).transpose(1, 2).flatten(2)
            mean, deviation = (given.mean(2) - each.running_mean) / sigma * each.weight, given.std(2, unbiased=False)
            spread = (deviation / sigma * each.weight).square().add(SMALLEST**2).sqrt()
            squares = (mean / gamma).square() + (spread / gamma).log().square()
            total = total + squares.mean(1).add(SMALLEST**2).sqrt()
        x = each(x)
    return total


def prior_of(net, **settings):
    chosen = AscentSettings(**PRIOR, **settings)
    return norm_prior_for(net, objective_of([Unit("fc", 3)], net, chosen), chosen)


@pytest.mark.parametrize("views", [1, 2])
def test_the_distance_and_what_it_adds_to_the_gradient_are_those_of_plain_torch(views):
    net, module = normed_network(), normed_module()
    prior = prior_of(net, views=0 if views == 1 else views)
    x = noise((4, 3, 24, 20)).requires_grad_()
    plain = plain_distance(module, network_values(net, x), views)
    recording = net.record(network_values(net, x.detach()), ["fc"])
    torch.testing.assert_close(prior.distance(recording), plain.detach(), rtol=1e-4, atol=1e-4)
    (expected,) = torch.autograd.grad(-3.0 * views * plain.sum(), x)
    found = network_values(net, recording.gradient_of_sum(prior.diffs(recording)))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_an_ascent_takes_the_steps_of_plain_torch():
    net, module = normed_network(), normed_module()
    (result,) = preferred_images(net, [Unit("fc", 3)], [1], AscentSettings(max_iter=10, lr_end=0.2, **STEPS, **PRIOR))
    start = np.random.RandomState(1).normal(0, 10, net.input_shape)
    x = torch.tensor(start, dtype=torch.float32, requires_grad=True)
    optimizer = torch.optim.Adam([x], lr=2.0, eps=1e-12, maximize=True)
    for step in range(9):
        optimizer.param_groups[0]["lr"] = 2.0 * (1 - 0.8 * step / 10)
        optimizer.zero_grad()
        (module(x[None] / 64)[0, 3] - 3.0 * plain_distance(module, x[None] / 64, 1).sum()).backward()
        optimizer.step()
        x.data.clamp_(-110, 145)
    assert (np.abs(result.last - x.detach().numpy()) > 0.02).mean() < 0.005


def test_pictures_come_nearer_to_what_the_norms_learnt():
    net = normed_network()
    distances = []
    for weight in (0, 3):
        settings = AscentSettings(max_iter=40, norm_prior=weight, **STEPS)
        (result,) = preferred_images(net, [Unit("fc", 3)], [0], settings)
        recording = net.record(network_values(net, torch.from_numpy(result.last)[None]), ["fc"])
        distances.append(float(prior_of(net).distance(recording)))
    assert distances[1] < distances[0] * 0.7


def test_they_climb_the_same_in_every_batch():
    net, units = normed_network(), [Unit("fc", 2), Unit("fc", 4)]
    how = {**STEPS, **PRIOR, "views": 2, "size": 40, "against": 0.1, "parametrization": "fourier-decorrelated"}
    together = preferred_images(net, units, [0, 1], AscentSettings(max_iter=10, **how))
    alone = preferred_images(net, units, [0, 1], AscentSettings(max_iter=10, **how), batch_size=1)
    for a, b in zip(together, alone, strict=True):
        assert (np.abs(a.last - b.last) > 0.05).mean() < 0.01


def test_a_unit_that_is_off_climbs_as_without_the_prior():
    net = normed_network(rectified=True)
    unit, seen = Unit("pool", 0), {}
    for weight in (0, 3):
        settings = AscentSettings(max_iter=2, start_at=_off(net, unit), norm_prior=weight)
        seen[weight] = preferred_images(net, [unit], [0], settings)[0]
    assert seen[0].objective[0] == 0
    np.testing.assert_allclose(seen[3].last, seen[0].last, atol=1e-4)


def _off(net, unit):
    """An image for which the whole channel is off."""
    settings = AscentSettings(max_iter=60, push_dir=-1, lr_policy="adam", lr_params={"lr": 4.0})
    return preferred_images(net, [unit], [0], settings)[0].best


def test_it_holds_the_first_and_the_last_layer_and_those_without_a_rectifier_or_else_all():
    plain = one_layer_network((True, True, False, True))
    assert [each.is_rectified for each in plain.norm_statistics.values()] == [True, True, False, True]
    assert prior_of(plain).layers == ("0", "2", "3")
    assert prior_of(one_layer_network((True, True, True))).layers == ("0", "1", "2")


class OneLayer(nn.Sequential):
    """Convolution, norm and perhaps a rectifier, shown as one layer."""

    one_layer = True


def one_layer_network(rectifiers):
    parts = [
        OneLayer(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), *([nn.ReLU()] if rectified else []))
        for rectified in rectifiers
    ]
    module = nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 7))
    module.add_module("fc", nn.Linear(7, 7))
    return network_of(module.eval())


def test_a_network_without_batch_norms_refuses_it():
    net = curved_network()
    with pytest.raises(ToolboxError, match="norm_prior needs batch norms, and small shows none"):
        preferred_images(net, [Unit("fc", 3)], [0], AscentSettings(max_iter=2, **PRIOR))
    assert rectified_network().norm_statistics == {}


def test_units_that_see_a_part_alone_or_lie_below_all_norms_climb_without_it():
    net = normed_network()
    for unit in (Unit("conv1", 2), Unit("conv2", 2)):
        settings = [AscentSettings(max_iter=4, lr_params={"lr": 100.0}, **more) for more in ({}, PRIOR)]
        without, with_it = (preferred_images(net, [unit], [0], each)[0] for each in settings)
        np.testing.assert_array_equal(without.last, with_it.last)
