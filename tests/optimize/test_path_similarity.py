"""Path similarity beside cosines of plain torch, pair by pair."""

from functools import partial

import numpy as np
import pytest
import torch

from deepvis_toolbox.optimize.natural.path_similarity import (
    PathSimilarity,
    RandomPictures,
    mean_of,
    means_over_places,
    path_similarity,
)
from tests.optimize.networks import curved_module, curved_network

LAYERS = ("act1", "act2", "pool")


def plain_activations(x):
    found, module = {}, curved_module()
    with torch.no_grad():
        for name, part in module.named_children():
            x = part(x)
            found[name] = x
    return found


def plain_directions(x, random):
    """Each unit's mean over places in deviations from random pictures."""
    found = {}
    for layer in LAYERS:
        own, strangers = (plain_activations(each)[layer].double().mean((2, 3)) for each in (x, random))
        found[layer] = (own - strangers.mean(0)) / strangers.std(0)
    return found


def random_pictures(net, x):
    return {layer: RandomPictures.of(means) for layer, means in means_over_places(net, x, LAYERS).items()}


def images(count, seed):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 1, (count, 3, 24, 20)).astype(np.float32))


def test_it_is_the_mean_of_cosines_over_all_pairs():
    net, preferred, top, random = curved_network(), images(1, 0), images(4, 1) + 0.5, images(5, 2)
    found = path_similarity(preferred, top, random_pictures(net, random), net)
    plain = [plain_directions(each, random) for each in (preferred, top, random)]
    cosine = partial(torch.cosine_similarity, dim=0)
    for number, layer in enumerate(LAYERS):
        own, others, strangers = (each[layer] for each in plain)
        to_preferred = [float(cosine(own[0], other)) for other in others]
        among = [float(cosine(a, b)) for i, a in enumerate(others) for j, b in enumerate(others) if i != j]
        to_random = [float(cosine(other, stranger)) for other in others for stranger in strangers]
        wanted = [np.mean(each) for each in (to_preferred, among, to_random)]
        got = [found.preferred[number], found.among[number], found.random[number]]
        assert got == pytest.approx(wanted, abs=1e-4)


def test_a_top_photograph_is_as_alike_as_they_are_and_a_random_one_as_random_ones():
    net = curved_network()
    base = torch.tensor([60.0, -30.0, 20.0]).reshape(1, 3, 1, 1)
    random = random_pictures(net, 20 * images(30, 5) + 20 * torch.randn(30, 3, 1, 1, generator=torch.manual_seed(0)))
    top = base + 20 * images(9, 4)
    natural = path_similarity(base + 20 * images(1, 6), top, random, net)
    stranger = path_similarity(20 * images(1, 7) - base, top, random, net)
    assert natural.whole == pytest.approx(1, abs=0.1)
    assert stranger.whole < 0


def test_where_random_photographs_are_as_alike_as_the_top_ones_nothing_is_said():
    flat = PathSimilarity(("a", "b"), np.array([0.5, 0.5]), np.array([0.2, 0.3]), np.array([0.3, 0.3]))
    assert flat.whole is None


def test_the_mean_over_units_is_of_each_layer():
    one = PathSimilarity(("a",), np.array([0.5]), np.array([0.6]), np.array([0.1]))
    two = PathSimilarity(("a",), np.array([0.1]), np.array([0.8]), np.array([0.3]))
    both = mean_of([one, two])
    assert (both.preferred[0], both.among[0], both.random[0]) == pytest.approx((0.3, 0.7, 0.2))
    assert both.whole == pytest.approx(0.2)


def test_units_that_are_the_same_for_all_random_pictures_are_left_aside():
    means = torch.tensor([[1.0, 2.0], [1.0, 4.0]], dtype=torch.float64)
    found = RandomPictures.of(means).directions(torch.tensor([[7.0, 5.0], [1.0, 3.0]], dtype=torch.float64))
    assert found.tolist() == [[0, 1], [0, 0]]
