"""Which classes a unit stands for: closed forms, planted classes, chance alone, and pictures that do not count."""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
import pytest

from deepvis_toolbox.scan.numbers.held_out import held_out_pictures
from deepvis_toolbox.scan.pictures.picture_list import PictureList
from deepvis_toolbox.scan.top_images import TopImages
from deepvis_toolbox.scan.unit_classes import FALSE_SHARE, unit_classes, unit_classes_of, why_no_classes

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


# -- with pictures held out --------------------------------------------------------------------------------------------

ALL, HELD = 600, 300


def ranked(values: np.ndarray, labels: np.ndarray, count: int = 9, layers: int = 1) -> TopImages:
    """A scan's result of layers ("conv", "conv1", …) whose units have these values (pictures, units), half held out."""
    images = np.argsort(-values, axis=0, kind="stable")[:count].T.astype(np.int32)
    tops = np.take_along_axis(values.T, images, axis=1).astype(np.float32)
    table = {"values": tops, "below": tops, "images": images, "places": np.zeros_like(images)}
    chosen = held_out_pictures(labels, HELD)
    arrays = {f"top.{name}": array for name, array in table.items()}
    arrays |= {"held_out.images": chosen, "held_out.values": values[chosen].astype(np.float16)}
    layer = {"kind": "conv", "shape": [values.shape[1] // layers, 4, 4], "rectifier": ""}
    listed = [{"name": f"conv{number or ''}", **layer} for number in range(layers)]
    identity = {"layers": listed, "bottom": False, "top": count, "batch_size": EVERYTHING, "held_out": HELD}
    pictures = PictureList.of_paths([f"{number}.png" for number in range(len(labels))], labels.tolist())
    return TopImages({"identity": identity, "batches_done": [[0, 1]], "skipped": {}}, arrays, pictures)


def twenty_classes(random: np.random.Generator) -> np.ndarray:
    return random.permutation(np.arange(ALL) % 20)


def test_planted_classes_have_their_average_precision_on_the_pictures_held_out() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="the optional extra is not installed")
    random = np.random.default_rng(3)
    labels, values = twenty_classes(random), random.normal(size=(ALL, 40)) + 5
    for unit, (label, strength) in {3: (7, 3.0), 8: (2, 1.5), 9: (19, 20.0)}.items():
        values[labels == label, unit] += strength
    values[labels == 11, 9] += 15
    top = ranked(values, labels)
    found = unit_classes(top, "conv")
    named = {unit: [one.label for one in classes] for unit, classes in enumerate(found) if classes}
    assert named == {3: [7], 8: [2], 9: [19]}, "a ninth has no room for a second class of thirty pictures"
    for unit, (label,) in named.items():
        (one,), held = found[unit], top.held_out
        wanted = metrics.average_precision_score(labels[held] == label, values[held, unit].astype(np.float16))
        assert one.auprc == one.score == pytest.approx(wanted, abs=1e-9)
        assert one.expected_auprc == pytest.approx((labels[held] == label).mean(), abs=0.02)
        assert one.share == (labels[top.images["conv"][unit]] == label).mean()
        assert one.chance <= FALSE_SHARE
    assert found[9][0].auprc == pytest.approx(1, abs=1e-9)
    values[labels == 11, 9] += 5
    first, second = unit_classes(ranked(values, labels, 60), "conv")[9]
    assert {first.label, second.label} == {19, 11}
    assert 1 > first.score > second.score > 0.3


@pytest.mark.parametrize("rectified", [False, True])
def test_labels_that_were_shuffled_name_a_unit_in_no_more_layers_than_is_promised(rectified: bool) -> None:
    random, named = np.random.default_rng(4), []
    for _ in range(120):
        labels, values = twenty_classes(random), random.normal(size=(ALL, 25))
        values[labels == 3, :5] += 4  # units that care for a class, until its label means nothing
        top = ranked(np.maximum(values - 1, 0) if rectified else values + 9, random.permutation(labels), 30)
        named.append(any(unit_classes(top, "conv")))
    assert np.mean(named) <= FALSE_SHARE + 3 * np.sqrt(FALSE_SHARE * (1 - FALSE_SHARE) / len(named))


def test_of_many_layers_with_shuffled_labels_none_has_a_name() -> None:
    random, named = np.random.default_rng(8), []
    for _ in range(50):
        labels, values = twenty_classes(random), random.normal(size=(ALL, 120)) + 9
        top = ranked(values, labels, 20, layers=20)
        named.append(sum(any(units) for units in unit_classes_of(top, top.layers).values()))
    by_layer = [any(unit_classes(top, layer)) for layer in top.layers]
    assert len(by_layer) == 20
    assert np.mean(np.array(named) > 0) <= FALSE_SHARE + 3 * np.sqrt(FALSE_SHARE * (1 - FALSE_SHARE) / len(named))


def test_where_many_layers_have_names_each_has_those_that_it_has_by_itself() -> None:
    random = np.random.default_rng(9)
    labels, values = twenty_classes(random), random.normal(size=(ALL, 24)) + 9
    values += 20 * (labels[:, None] == np.arange(24) % 20)
    top = ranked(values, labels, 9, layers=4)
    found = unit_classes_of(top, top.layers)
    assert list(found) == top.layers
    assert [[[one.label for one in classes] for classes in units] for units in found.values()] == [
        [[(6 * layer + unit) % 20] for unit in range(6)] for layer in range(4)
    ]
    assert all(found[layer] == unit_classes(top, layer) for layer in top.layers)


def test_pictures_held_out_do_not_propose_what_they_are_asked_to_confirm() -> None:
    random = np.random.default_rng(5)
    labels = np.repeat([0, 1], [580, 20])
    chosen = np.isin(np.arange(ALL), held_out_pictures(labels, HELD))
    assert 5 < chosen[580:].sum() < 15
    values = random.normal(size=(ALL, 2)) + 5
    values[580:, 0] += 20 * chosen[580:]
    values[580:, 1] += 20
    found = unit_classes(ranked(values, labels, 9), "conv")
    assert found[0] == (), "its top pictures are all held out"
    assert [one.label for one in found[1]] == [1]


def test_a_class_that_the_pictures_held_out_do_not_have_is_no_name() -> None:
    labels = np.zeros(ALL, np.int64)
    chosen = held_out_pictures(labels, HELD)
    others = np.setdiff1d(np.arange(ALL), chosen)[:9]
    labels[others] = 1
    labels[chosen[:40]] = 2
    values = np.random.default_rng(6).normal(size=(ALL, 1)) + 5
    values[others] += 20
    top = ranked(values, labels)
    np.testing.assert_array_equal(top.held_out, chosen)
    assert unit_classes(top, "conv") == [()]


@pytest.mark.parametrize(
    ("labels", "count", "said"),
    [
        (np.zeros(ALL, np.int64), 9, "all pictures that the scan held out are of one class"),
        (np.arange(ALL) % 2, 1, "1 top pictures a unit propose no class"),
        (np.arange(ALL) % 2, 2, ""),
        (np.arange(ALL), 9, ""),
        (np.arange(6) % 2, 9, "3 pictures held out are too few"),
    ],
)
def test_why_no_unit_can_have_a_name_by_them_is_said(labels: np.ndarray, count: int, said: str) -> None:
    values = np.random.default_rng(7).normal(size=(len(labels), 3)) + 5
    top = ranked(values, labels, min(count, len(labels)))
    if len(labels) < ALL:
        kept = held_out_pictures(labels, len(labels) // 2)
        top._arrays |= {"held_out.images": kept, "held_out.values": values[kept].astype(np.float16)}  # type: ignore[operator]
    assert (said in why_no_classes(top)) if said else not why_no_classes(top)
    if said:
        assert not any(unit_classes(top, "conv"))
