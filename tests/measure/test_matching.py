"""Units of two networks matched over pictures: against NumPy, and on networks whose units were put in another order."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from deepvis_toolbox import ToolboxError, measure
from deepvis_toolbox.measure import (
    OTHER_NETWORK,
    ComparedMaps,
    Difference,
    LayerMaps,
    MostDifferent,
    UnitsByDifference,
    matching,
)
from deepvis_toolbox.measure.matching import CorrelationSums, LayersMatcher
from tests.measure.test_comparison import LAYERS, Net, network_of, picture

ORDER = [3, 0, 4, 1, 2]
"""Which of the first layer's units stands at each place in the other network."""


def test_correlations_are_numpys_over_all_pictures_and_places() -> None:
    random = np.random.default_rng(0)
    pictures = [(random.normal(2, 1, (4, 9)), random.normal(-1, 3, (4, 9))) for _ in range(5)]
    sums = CorrelationSums(4)
    for own, other in pictures:
        sums.add(torch.from_numpy(own), torch.from_numpy(other))
    whole = np.concatenate([np.concatenate([own, other]) for own, other in pictures], axis=1)
    np.testing.assert_allclose(sums.correlations(), np.corrcoef(whole)[:4, 4:], atol=1e-9)


def test_the_assignment_is_the_best_of_all() -> None:
    random = np.random.default_rng(1)
    sums = CorrelationSums(5)
    sums.add(torch.from_numpy(random.normal(size=(5, 14))), torch.from_numpy(random.normal(size=(5, 14))))
    found, correlations = sums.matching(), sums.correlations()
    best = max(permutations(range(5)), key=lambda order: sum(correlations[unit, order[unit]] for unit in range(5)))
    assert tuple(found.units) == best
    np.testing.assert_allclose(found.correlations, correlations[range(5), best], atol=1e-6)


def test_units_that_never_vary_and_values_that_are_not_finite_spoil_nothing() -> None:
    random = np.random.default_rng(2)
    own = random.normal(size=(3, 20))
    other = own[[2, 0, 1]].copy()
    own[1] = 1e6 + 0.1
    other[0, 5] = np.nan
    sums = CorrelationSums(3)
    sums.add(torch.from_numpy(own), torch.from_numpy(other))
    found = sums.matching()
    assert found.units.tolist() == [1, 2, 0]
    assert found.correlations[0] == pytest.approx(1)
    assert found.correlations[1] == 0
    assert 0.5 < found.correlations[2] < 1


def reordered(module: Net) -> Net:
    """A network that computes the same, the first layer's units in another order."""
    other = Net()
    other.load_state_dict(module.state_dict())
    with torch.no_grad():
        other.conv1.weight.copy_(module.conv1.weight[ORDER])
        other.conv1.bias.copy_(module.conv1.bias[ORDER])
        other.conv2.weight.copy_(module.conv2.weight[:, ORDER])
    return other


def test_units_in_another_order_are_found_and_then_nothing_differs() -> None:
    module = Net()
    network, other = network_of(module), network_of(reordered(module))
    matcher = LayersMatcher(network, other, [LAYERS["conv1"]])
    for seed in range(4):
        matcher.see(picture(seed, (20, 30)))
    found = matcher.matching(LAYERS["conv1"])
    assert [ORDER[unit] for unit in found.units] == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(found.correlations, 1, atol=1e-5)

    def matched(layer: str) -> np.ndarray | None:
        return found.units if layer == LAYERS["conv1"] else None

    session, by_number = measure.Session(network, other, matched), measure.Session(network, other)
    frame, layer = picture(9), LAYERS["conv1"]
    own = session.take(frame, LayerMaps(layer)).maps
    np.testing.assert_allclose(session.take(frame, ComparedMaps(OTHER_NETWORK, layer)).maps, own, atol=1e-6)
    assert np.abs(by_number.take(frame, ComparedMaps(OTHER_NETWORK, layer)).maps - own).max() > 0.1
    question = Difference(OTHER_NETWORK, LayerMaps(layer))
    assert np.abs(session.take(frame, question).maps).max() < 1e-6
    assert np.abs(by_number.take(frame, question).maps).max() > 0.1
    for each, low, high in ((session, 0, 1e-5), (by_number, 0.1, np.inf)):
        assert low <= each.take(frame, UnitsByDifference(OTHER_NETWORK, layer)).values[0] < high
        assert low <= max(each.take(frame, MostDifferent(OTHER_NETWORK, (layer,))).scores, default=0) < high


def test_what_cannot_be_matched_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of(Net())
    with pytest.raises(ToolboxError, match="they cannot be compared"):
        LayersMatcher(network, network_of(Net(1), size=(20, 20)), [LAYERS["conv1"]])
    monkeypatch.setattr(matching, "MOST_UNITS", 4)
    with pytest.raises(ToolboxError, match=r"has 5 units, too many to be matched by correlation \(4 at most\)"):
        LayersMatcher(network, network_of(Net(1)), [LAYERS["conv1"]])
