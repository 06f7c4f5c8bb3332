"""The Fréchet distance beside SciPy's root of a matrix and closed forms."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.judging.frechet import distance_of_halves, frechet_distance


def by_scipy(first, second):
    means, covariances = [each.mean(0) for each in (first, second)], [np.cov(each.T) for each in (first, second)]
    root = sqrtm(covariances[0] @ covariances[1])
    return ((means[0] - means[1]) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root.real)


@pytest.mark.parametrize("sizes", [(60, 40), (60, 9), (200, 300)])
def test_it_is_that_of_scipys_root(sizes):
    random = np.random.default_rng(0)
    mixed = random.normal(size=(6, 6))
    first, second = (random.normal(size=(count, 6)) @ mixed * scale + 1 / scale
                     for count, scale in zip(sizes, (1, 3), strict=True))  # fmt: skip
    assert frechet_distance(first, second) == pytest.approx(by_scipy(first, second), rel=1e-8)
    assert frechet_distance(second, first) == pytest.approx(frechet_distance(first, second), rel=1e-10)


def test_of_one_feature_it_is_the_closed_form_of_two_normal_distributions():
    random = np.random.default_rng(1)
    first, second = random.normal(2, 3, (50, 1)), random.normal(-1, 0.5, (70, 1))
    deviations = [each.std(ddof=1) for each in (first, second)]
    wanted = (first.mean() - second.mean()) ** 2 + (deviations[0] - deviations[1]) ** 2
    assert frechet_distance(first, second) == pytest.approx(wanted)


def test_with_more_features_than_pictures_a_shift_alone_counts_and_nothing_is_nothing():
    features = np.random.default_rng(2).normal(size=(12, 300))
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(features, features + 0.5) == pytest.approx(300 * 0.25)


def test_halves_are_every_second_and_the_others():
    features = np.random.default_rng(3).normal(size=(40, 5))
    assert distance_of_halves(features) == frechet_distance(features[0::2], features[1::2])


def test_one_picture_and_values_that_are_no_numbers_are_refused():
    features = np.zeros((3, 2))
    with pytest.raises(ToolboxError, match="at least 2 pictures"):
        frechet_distance(features, features[:1])
    with pytest.raises(ToolboxError, match="not finite"):
        frechet_distance(features, np.full((3, 2), np.nan))
