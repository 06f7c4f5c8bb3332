"""Average precision against scikit-learn, a loop over thresholds, and all orders of a few pictures."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from deepvis_toolbox.scan.numbers.average_precision import Ranking, expected_average_precision

RANDOM_CASES = range(40)


def case(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Values with more or fewer ties, float16 as a scan keeps them, and which pictures are of the class."""
    random = np.random.default_rng(number)
    values = random.normal(size=random.integers(2, 300)).astype(np.float16)
    if number % 4 == 1:
        values = np.maximum(values, 0)  # a rectifier's
    if number % 4 == 2:
        values = np.round(values)
    if number % 4 == 3:
        values[:] = 5
    chosen = random.random(len(values)) < random.uniform(0.02, 0.9)
    chosen[random.integers(len(values))] = True
    return values, chosen


def by_thresholds(values: np.ndarray, chosen: np.ndarray) -> float:
    """The sum over all thresholds of precision times the gain in recall."""
    area = recall = 0.0
    for threshold in sorted(set(values.tolist()), reverse=True):
        told = values >= threshold
        precision, now = chosen[told].mean(), chosen[told].sum() / chosen.sum()
        area, recall = area + precision * (now - recall), now
    return float(area)


@pytest.mark.parametrize("number", RANDOM_CASES)
def test_the_area_is_that_of_a_loop_over_thresholds(number: int) -> None:
    values, chosen = case(number)
    found = Ranking(values).average_precision(np.flatnonzero(chosen))
    assert found == pytest.approx(by_thresholds(values, chosen), abs=1e-12)


@pytest.mark.parametrize("number", RANDOM_CASES)
def test_the_area_is_that_of_scikit_learn(number: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="the optional extra is not installed")
    values, chosen = case(number)
    wanted = metrics.average_precision_score(chosen, values.astype(np.float64))
    assert Ranking(values).average_precision(np.flatnonzero(chosen)) == pytest.approx(wanted, abs=1e-12)


def test_values_that_are_no_number_come_last_and_one_by_one() -> None:
    values = np.array([1, np.nan, 3, np.nan, 2], np.float16)
    assert Ranking(values).average_precision(np.array([1])) == 1 / 4
    assert Ranking(values).average_precision(np.array([0, 2, 4])) == 1


def every_order(pictures: int, positives: int) -> np.ndarray:
    """The average precision of every order, by which ranks the class has."""
    return np.array([
        np.mean([(place + 1) / rank for place, rank in enumerate(ranks)])
        for ranks in combinations(range(1, pictures + 1), positives)
    ])  # fmt: skip


SIZES = [(1, 1), (2, 1), (7, 1), (7, 3), (9, 8), (12, 4), (15, 2)]


@pytest.mark.parametrize(("pictures", "positives"), SIZES)
def test_what_chance_gives_on_the_average_is_that_of_every_order(pictures: int, positives: int) -> None:
    wanted = every_order(pictures, positives).mean()
    assert expected_average_precision(pictures, positives) == pytest.approx(wanted, abs=1e-12)
    assert wanted >= positives / pictures - 1e-12


@pytest.mark.parametrize(("pictures", "positives"), SIZES)
def test_the_chance_of_an_order_is_the_share_of_orders_that_reach_its_area(pictures: int, positives: int) -> None:
    every, random = every_order(pictures, positives), np.random.default_rng(pictures)
    for _ in range(12):
        values = random.permutation(pictures).astype(np.float32)
        ranking, chosen = Ranking(values), np.arange(positives)
        share = (every >= ranking.average_precision(chosen) - 1e-9).mean()
        assert ranking.chance(chosen) == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 99_999) + 2e-5)


@pytest.mark.parametrize("ties", ["none", "most are zero", "saturated", "all"])
@pytest.mark.parametrize("positives", [1, 3, 40])
def test_by_chance_no_chance_is_rarer_than_it_says(ties: str, positives: int) -> None:
    random, chances = np.random.default_rng(positives), []
    for _ in range(1500):
        values = random.normal(size=120)
        if ties != "none":
            low, high = {"most are zero": (0.8, np.inf), "saturated": (-np.inf, 0), "all": (0, 0)}[ties]
            values = np.clip(values, low, high)
        chances.append(Ranking(values).chance(random.permutation(120)[:positives]))
    for level in (0.01, 0.05, 0.2, 0.5):
        deviation = np.sqrt(level * (1 - level) / len(chances))
        assert np.mean(np.array(chances) <= level) <= level + 4 * deviation, (level, ties)


def test_a_perfect_order_of_many_is_very_unlikely_and_the_worst_is_sure() -> None:
    best, worst = Ranking(-np.arange(2000.0)), Ranking(np.arange(2000.0))
    for positives in (2, 10, 100, 1000):
        assert best.chance(np.arange(positives)) <= 5e-5
        assert worst.chance(np.arange(positives)) == 1
