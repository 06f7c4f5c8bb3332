"""Sorted values as a prior: against plain torch, SciPy's assignment and NumPy, and where nothing is to be held."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.optimize import linear_sum_assignment

from deepvis_toolbox import AscentSettings, ToolboxError, Unit, preferred_images
from deepvis_toolbox.optimize.cli.optimize_command import main
from deepvis_toolbox.optimize.method.norm_prior import SMALLEST, norm_prior_for
from deepvis_toolbox.optimize.method.photographs import input_statistics, photograph_statistics
from deepvis_toolbox.optimize.method.seen_places import seen_places
from deepvis_toolbox.optimize.method.sorted_prior import sorted_prior_for
from deepvis_toolbox.optimize.method.targets import objective_of
from tests.optimize.networks import curved_module, curved_network, network_values, rectified_network
from tests.optimize.test_photograph_statistics import MODEL, photographs

LAYERS = ("conv1", "conv2")


def noise(count, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 30, (count, 3, 24, 20)).astype(np.float32))


def plain_values(x):
    """What the convolutions of the curved network give, float32 (N, C, H, W), by layer."""
    found = {}
    for name, part in curved_module().named_children():
        x = part(x)
        found[name] = x
        if name == "conv2":
            break
    return {name: found[name] for name in LAYERS}


def statistics_of(net, sorted_for=("fc",)):
    return photograph_statistics(net, photographs(), sorted_for)


def prior_of(net, statistics, unit=Unit("fc", 3), make=sorted_prior_for, **settings):  # noqa: B008
    chosen = AscentSettings(statistics=statistics, **{"sorted_prior": 3.0, **settings})
    return make(net, objective_of([unit], net, chosen), chosen)


def test_the_wanted_values_are_the_mean_of_the_photographs_sorted_ones():
    net = curved_network()
    x = (torch.from_numpy(np.stack(photographs()).transpose(0, 3, 1, 2).astype(np.float32)) - 110) / 64
    found = statistics_of(net).sorted_values
    for name, values in plain_values(x).items():
        wanted = np.sort(values.detach().flatten(2).numpy(), axis=2).mean(0)
        np.testing.assert_allclose(found[name].numpy(), wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("views", [1, 2])
def test_the_distance_and_what_it_adds_to_the_gradient_are_those_of_plain_torch(views):
    net = curved_network()
    statistics = statistics_of(net)
    prior = prior_of(net, statistics, views=0 if views == 1 else views)
    x = noise(4).requires_grad_()
    total = 0
    for name, values in plain_values(network_values(net, x)).items():
        own = values.unflatten(0, (-1, views)).transpose(1, 2).flatten(2).sort(2).values
        wanted = statistics.sorted_values[name].repeat_interleave(views, 1)
        off = (own - wanted) / (statistics.layers[name].deviation + SMALLEST)[:, None]
        total = total + off.square().mean((1, 2)).add(SMALLEST**2).sqrt()
    recording = net.record(network_values(net, x.detach()), ["fc"])
    torch.testing.assert_close(prior.distance(recording), total.detach(), rtol=1e-4, atol=1e-5)
    (wanted,) = torch.autograd.grad(-3.0 * views * total.sum(), x)
    found = recording.gradient_of_sum(prior.diffs(recording)) / 64
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-6)


def test_the_distance_is_that_of_the_cheapest_assignment_of_values():
    net = curved_network()
    statistics = statistics_of(net)
    recording = net.record(network_values(net, noise(1)), ["fc"])
    total = 0.0
    for name in LAYERS:
        own, squares = recording.below_rectifier(name)[0].flatten(1).double().numpy(), 0.0
        wanted = statistics.sorted_values[name].double().numpy()
        deviation = statistics.layers[name].deviation.double().numpy() + SMALLEST
        for channel in range(len(own)):
            costs = ((own[channel][:, None] - wanted[channel][None]) / deviation[channel]) ** 2
            squares += costs[linear_sum_assignment(costs)].mean() / len(own)
        total += np.sqrt(squares + SMALLEST**2)
    assert float(prior_of(net, statistics).distance(recording)) == pytest.approx(total, rel=1e-4)


def test_held_to_them_an_image_takes_the_photographs_values():
    net = curved_network()
    statistics = photograph_statistics(net, photographs(20), ["fc"])
    steps = {"max_iter": 40, "lr_policy": "adam", "lr_params": {"lr": 2.0}}
    off = []
    for weight in (0.0, 20.0):
        settings = AscentSettings(**steps, sorted_prior=weight, statistics=statistics)
        image = preferred_images(net, [Unit("fc", 3)], [0], settings)[0].last
        recording = net.record(network_values(net, torch.from_numpy(image)[None]), ["fc"])
        off.append(float(prior_of(net, statistics).distance(recording)))
    assert off[1] < 0.6 * off[0]


@pytest.mark.parametrize("make", [norm_prior_for, sorted_prior_for])
def test_a_unit_that_sees_a_part_is_held_in_the_places_that_it_sees_to_statistics_of_its_own(make):
    net, unit = curved_network(), Unit("act2", 4, (6, 5))
    asked = {"make": make, "norm_prior": 3.0, "sorted_prior": 3.0}
    seen = seen_places(net, unit.layer, unit.place)
    inputs = (net.preprocess(each) for each in photographs())
    own = input_statistics(net, inputs, ["act2"], seen.windows)
    window = seen.windows["conv1"]
    assert (window.bottom - window.top) * (window.right - window.left) == own.sorted_values["conv1"].shape[1]
    assert prior_of(net, statistics_of(net), unit, **asked) is None
    prior = prior_of(net, own, unit, **asked)
    assert prior.layers == ("conv1", "conv2")
    recording = net.record(network_values(net, noise(2)), ["act2"])
    slopes = prior.diffs(recording)["conv1"]
    inside = torch.zeros_like(slopes, dtype=torch.bool)
    inside[:, :, window.top : window.bottom, window.left : window.right] = True
    assert (slopes[~inside] == 0).all()
    x, gradient = network_values(net, noise(2)).double(), recording.gradient_of_sum(prior.diffs(recording)).double()
    step = 1e-2 / float(gradient.norm())
    ahead, behind = (
        float(prior.distance(net.record((x + sign * step * gradient).float(), ["act2"])).sum()) for sign in (1, -1)
    )
    assert ahead - behind == pytest.approx(-2 * step * float(gradient.square().sum()) / 3, rel=0.02)


def test_of_a_window_the_statistics_are_those_of_the_places_in_it():
    net, unit = curved_network(), Unit("act2", 4, (6, 5))
    seen = seen_places(net, unit.layer, unit.place)
    own = input_statistics(net, (net.preprocess(each) for each in photographs()), ["act2"], seen.windows)
    x = (torch.from_numpy(np.stack(photographs()).transpose(0, 3, 1, 2).astype(np.float32)) - 110) / 64
    for name, values in plain_values(x).items():
        top, left, bottom, right = seen.windows[name]
        part = values[:, :, top:bottom, left:right].detach().transpose(0, 1).flatten(1)
        torch.testing.assert_close(own.layers[name].mean, part.mean(1), rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(own.layers[name].deviation, part.std(1, unbiased=False), rtol=1e-3, atol=1e-4)
    assert own.key != statistics_of(net).key


def test_the_same_picture_comes_of_every_batch():
    net = curved_network()
    steps = {"max_iter": 8, "lr_policy": "adam", "lr_params": {"lr": 2.0}}
    settings = AscentSettings(**steps, sorted_prior=2.0, statistics=statistics_of(net))
    units = [Unit("fc", 3), Unit("fc", 1)]
    together = preferred_images(net, units, [0, 1], settings)
    alone = [preferred_images(net, [unit], [seed], settings)[0] for unit in units for seed in (0, 1)]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.last, other.last, atol=1e-2)


def test_without_photographs_it_is_refused_and_sorted_values_belong_to_the_key():
    net = rectified_network()
    with pytest.raises(ToolboxError, match="sorted_prior needs photographs"):
        preferred_images(net, [Unit("fc", 3)], [0], AscentSettings(max_iter=2, sorted_prior=1))
    with pytest.raises(ToolboxError, match="sorted_prior needs photographs"):
        prior_of(net, statistics_of(net, ()))
    assert statistics_of(net).key != statistics_of(net, ()).key


def test_sorted_values_are_of_the_layers_that_are_held_and_no_others():
    net = rectified_network()
    found = statistics_of(net, ["relu2"]).sorted_values
    assert list(found) == ["conv1", "conv2"][: len(found)]
    with pytest.raises(ToolboxError, match=r"no sorted values of conv2; make them with sorted_for=\['fc'\]"):
        prior_of(net, statistics_of(net, ["pool1"]))
    assert prior_of(net, statistics_of(net, ["fc"])).layers == ("conv1", "conv2")


def test_the_command_holds_to_sorted_values_alone_where_nothing_else_is_asked(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for index, pixels in enumerate(photographs(4, (40, 30))):
        Image.fromarray(pixels).save(folder / f"{index}.png")
    asked = [*MODEL, "--units", "fc:1", "--max-iter", "3", "-q", "--statistics", str(folder), "--sorted-prior", "2"]
    for store, more, wanted in (("one", [], None), ("two", ["--norm-prior", "0.5"], 0.5)):
        assert main([*asked, *more, "--store", str(tmp_path / store)]) == 0
        record = json.loads(next((tmp_path / store).rglob("*_info.json")).read_text())
        assert record["settings"]["sorted_prior"] == 2
        assert record["settings"].get("norm_prior") == wanted
        assert len(record["settings"]["statistics"]) == 64
