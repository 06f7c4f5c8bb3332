"""Which classes a unit stands for: closed forms, planted classes, chance alone, and pictures that do not count."""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
import pytest

from deepvis_toolbox.scan.pictures.picture_list import PictureList
from deepvis_toolbox.scan.top_images import TopImages
from deepvis_toolbox.scan.unit_classes import FALSE_SHARE, unit_classes, why_no_classes

EVERYTHING = 10**6
"""More pictures than any test has, in one batch."""


def scanned(images: np.ndarray, labels: np.ndarray, values: np.ndarray | None = None, **manifest: Any) -> TopImages:
    """A scan's result of one layer "conv", of whose units these pictures (units, N) are the top ones."""
    units, count = images.shape
    falling = np.broadcast_to(np.arange(count, 0, -1, dtype=np.float32), images.shape)
    values = falling if values is None else values
    table = {"values": values, "below": values, "images": images, "places": np.zeros_like(images)}
    layer = {"name": "conv", "kind": "conv", "shape": [units, 4, 4], "rectifier": ""}
    identity = {"layers": [layer], "bottom": False, "top": count, "batch_size": EVERYTHING}
    pictures = PictureList.of_paths([f"{number}.png" for number in range(len(labels))], labels.tolist())
    record = {"identity": identity, "batches_done": [[0, 1]], "skipped": {}, **manifest}
    return TopImages(record, {f"top.{name}": array for name, array in table.items()}, pictures)


def by_lot(random: np.random.Generator, units: int, pictures: int, count: int) -> np.ndarray:
    return np.stack([random.permutation(pictures)[:count] for _ in range(units)])


def at_least(seen: int, pictures: int, of_class: int, drawn: int) -> float:
    """How likely a draw has at least so many of the class, counted out."""
    ways = sum(comb(of_class, n) * comb(pictures - of_class, drawn - n) for n in range(seen, min(of_class, drawn) + 1))
    return ways / comb(pictures, drawn)


@pytest.mark.parametrize(("of_class", "pattern"), [(12, "110111011"), (6, "1111"), (30, "111110111"), (9, "101010111")])
def test_the_chance_is_that_of_drawing_the_confirming_half_by_lot(of_class: int, pattern: str) -> None:
    labels = np.zeros(200, np.int64)
    labels[:of_class] = 1
    of_it, of_others = iter(range(of_class)), iter(range(of_class, 200))
    images = np.array([[next(of_it if mark == "1" else of_others) for mark in pattern]])
    proposing, confirming = pattern[::2].count("1"), pattern[1::2].count("1")
    wanted = at_least(confirming, 200 - len(pattern[::2]), of_class - proposing, len(pattern[1::2]))
    (found,) = unit_classes(scanned(images, labels), "conv")
    ones = [one for one in found if one.label == 1]
    others = pattern[::2].count("0") >= 2
    if wanted <= FALSE_SHARE / (1 + others):
        assert ones[0].share == pytest.approx(pattern.count("1") / len(pattern))
        assert wanted * (1 - 1e-9) <= ones[0].chance <= wanted * (1 + others) * (1 + 1e-9)
    else:
        assert not ones


def test_planted_classes_are_found_with_their_shares_and_in_their_order() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(20), 50)
    images = by_lot(random, 60, 1000, 12)
    images[7] = [50 * 3 + n for n in range(9)] + [980, 981, 982]  # nine of class 3, three of class 19
    images[8] = np.array([[50 * 4 + n, 50 * 5 + n] for n in range(6)]).ravel()[[0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11]]
    found = unit_classes(scanned(images, labels), "conv")
    assert [(one.label, one.share) for one in found[7]] == [(3, 0.75)]
    assert [(one.label, one.share) for one in found[8]] == [(4, 0.5), (5, 0.5)]
    assert all(not names for unit, names in enumerate(found) if unit not in (7, 8))


def test_chance_alone_names_a_unit_in_no_more_layers_than_is_promised() -> None:
    random = np.random.default_rng(1)
    labels = random.choice(5, 300, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    named = [any(unit_classes(scanned(by_lot(random, 30, 300, 20), labels), "conv")) for _ in range(200)]
    assert np.mean(named) <= FALSE_SHARE + 3 * np.sqrt(FALSE_SHARE * (1 - FALSE_SHARE) / 200)


def test_a_class_that_most_pictures_have_is_no_name() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    images = np.arange(9)[None]
    assert unit_classes(scanned(images, labels), "conv") == [()]


SURE = np.arange(12)[None]
"""Twelve pictures of the only ones of class 1, among 400."""


def sure_labels() -> np.ndarray:
    return np.array([1] * 14 + [0] * 386)


def test_the_same_without_what_does_not_count_would_be_a_name() -> None:
    (found,) = unit_classes(scanned(SURE, sure_labels()), "conv")
    assert [(one.label, one.share) for one in found] == [(1, 1.0)]


@pytest.mark.parametrize(
    "values",
    [
        np.full((1, 12), 3.0, np.float32),
        np.arange(0, -12, -1, dtype=np.float32)[None],
        np.full((1, 12), np.nan, np.float32),
    ],
    ids=["equal: the list's order chose them", "it never fires", "none"],
)
def test_pictures_do_not_count_whose_values_say_nothing(values: np.ndarray) -> None:
    assert unit_classes(scanned(SURE, sure_labels(), values), "conv") == [()]


def test_the_same_picture_twice_counts_once() -> None:
    images = np.array([[0, 1, 2, 3, 20, 21, 22, 23]])
    values = np.array([[9, 9, 9, 9, 4, 3, 2, 1]], np.float32)
    assert unit_classes(scanned(images, sure_labels(), values), "conv") == [()]


def test_a_damaged_result_that_lists_a_picture_twice_names_nothing() -> None:
    values = np.arange(12, 0, -1, dtype=np.float32)[None]
    labels = np.array([1] * 3 + [0] * 397)
    assert unit_classes(scanned(np.zeros((1, 12), np.int32), labels, values), "conv") == [()]


def test_pictures_without_a_label_and_those_that_were_not_read_are_left_aside() -> None:
    labels = sure_labels()
    labels[16:] = -1
    assert unit_classes(scanned(SURE, labels), "conv") == [()], "of sixteen pictures most are of the class"
    labels = sure_labels()
    images = np.concatenate([SURE, [[300]]], axis=1)
    labels[300] = -1
    assert unit_classes(scanned(images, labels), "conv")[0][0].share == 1
    unread = {str(number): "broken" for number in range(16, 400)}
    assert unit_classes(scanned(SURE, sure_labels(), skipped=unread), "conv") == [()]


@pytest.mark.parametrize(
    ("labels", "count", "said"),
    [
        (np.full(50, -1), 9, "no labels"),
        (np.full(50, 4), 9, "of one class"),
        (np.arange(50) % 2, 4, "4 top pictures a unit are too few"),
        (np.arange(50) % 2, 1, "1 top pictures a unit are too few"),
        (np.arange(50) % 2, 12, ""),
        (np.arange(1000) % 500, 4, ""),
    ],
)
def test_why_no_unit_can_have_a_name_is_said(labels: np.ndarray, count: int, said: str) -> None:
    top = scanned(np.arange(count)[None], labels)
    assert (said in why_no_classes(top)) if said else not why_no_classes(top)
    if said:
        best = np.flatnonzero(labels == labels[0])[:count][None]
        assert unit_classes(scanned(best, labels), "conv") == [()]
