"""Which classes a unit stands for: its top pictures propose them, and pictures that the scan held out test them.

On the pictures held out every unit's value was kept. There a class's average precision (AUPRC) says how well the unit
ranks its pictures before all others, and how likely an order by lot does so as well is known without assumptions: the
proposals come from other pictures. Over all proposals in a layer, Benjamini and Hochberg's procedure keeps the share of
those that chance confirms at `FALSE_SHARE`; over layers, theirs is that of Benjamini and Bogomolov (2014): only layers
in which something beats chance have names at all. Of scans without such pictures, half of the top pictures test what
the others propose (`top_image_classes`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.scan import top_image_classes
from deepvis_toolbox.scan.numbers.average_precision import Indices, Ranking, expected_average_precision
from deepvis_toolbox.scan.numbers.held_out import scattered
from deepvis_toolbox.scan.proposals import FALSE_SHARE, PROPOSED_BY, UnitClass, corrected, labels_that_count
from deepvis_toolbox.scan.top_images import TopImages

__all__ = ["FALSE_SHARE", "UnitClass", "unit_classes", "unit_classes_of", "why_no_classes"]


class _Tested(NamedTuple):
    unit: int
    label: int
    share: float
    auprc: float
    expected: float
    chance: float


Classes = list[tuple[UnitClass, ...]]


def unit_classes(top: TopImages, layer: str) -> Classes:
    """Return for each unit of a scanned layer its classes, the highest score first; empty where none beats chance.

    Whoever looks at more than one layer takes `unit_classes_of`: here the others are not corrected for.
    """
    return unit_classes_of(top, [layer])[layer]


def unit_classes_of(top: TopImages, layers: Sequence[str]) -> dict[str, Classes]:
    """Return, by layer, for each unit its classes, the highest score first; empty where none beats chance.

    A class is proposed by at least two of the unit's top pictures that were not held out. A top picture counts where
    its label is known, its activation is above zero, and no better one has the same values: equal ones are in the
    order of the list, or the same picture twice.
    """
    if not len(top.held_out):
        return {layer: top_image_classes.unit_classes(top, layer) for layer in layers}
    tested = {layer: list(_tested(top, layer)) for layer in layers}
    chances = {layer: corrected([each.chance for each in tested[layer]]) for layer in layers}
    of_layers = corrected([min(chances[layer], default=1.0) for layer in layers])
    is_chosen = [chance <= FALSE_SHARE for chance in of_layers]
    most = FALSE_SHARE * sum(is_chosen) / len(is_chosen)
    return {
        layer: _named(len(top.images[layer]), tested[layer], chances[layer], most if chosen else 0.0)
        for layer, chosen in zip(layers, is_chosen, strict=True)
    }


def _named(units: int, tested: list[_Tested], chances: list[float], most: float) -> Classes:
    found: list[list[UnitClass]] = [[] for _ in range(units)]
    for one, chance in zip(tested, chances, strict=True):
        if chance <= most:
            found[one.unit].append(UnitClass(one.label, one.share, chance, one.auprc, one.expected))
    return [tuple(sorted(each, key=lambda one: (-one.score, one.label))) for each in found]


def why_no_classes(top: TopImages) -> str:
    """Return why no unit of the scan can have a class, a sentence; empty where some can."""
    if not len(top.held_out):
        return top_image_classes.why_no_classes(top)
    known = np.unique(top.labels[top.held_out], return_counts=True)[1]
    if known.size == 1:
        return "all pictures that the scan held out are of one class"
    count = top.manifest["identity"]["top"]
    if count < PROPOSED_BY:
        return f"{count} top pictures a unit propose no class; scan with a larger --count"
    pictures = int(known.sum())
    best = Ranking(-np.arange(pictures, dtype=np.float32))
    if all(best.chance(np.arange(count)) > FALSE_SHARE for count in {*known.tolist()}):
        return f"{pictures} pictures held out are too few to tell classes from chance; scan more labelled pictures"
    return ""


def _tested(top: TopImages, layer: str) -> Iterator[_Tested]:
    """Give what each unit's top pictures propose, with what the pictures held out say of it."""
    order = np.argsort(scattered(top.held_out))  # equal values are told apart by lot
    labels, values = top.labels[top.held_out][order], top.held_out_values(layer)[order].T
    of_class: dict[int, Indices] = {int(label): np.flatnonzero(labels == label) for label in np.unique(labels)}
    expected = {label: expected_average_precision(len(labels), len(those)) for label, those in of_class.items()}
    counted = labels_that_count(top, layer)
    is_held_out = np.isin(top.images[layer], top.held_out)
    for unit, row in enumerate(counted):
        proposed = [label for label in _proposed(row[~is_held_out[unit]]) if label in of_class]
        if not proposed:
            continue
        ranking = Ranking(values[unit])
        for label in proposed:
            positives = of_class[label]
            share = np.count_nonzero(row == label) / np.count_nonzero(row >= 0)
            reached = ranking.average_precision(positives)
            chance = ranking.chance(positives) if reached > expected[label] else 1.0
            yield _Tested(unit, label, share, reached, expected[label], chance)


def _proposed(labels: NDArray[np.int64]) -> list[int]:
    """Return the classes that enough of these pictures have; -1 is none."""
    return [label for label, count in Counter(labels[labels >= 0].tolist()).items() if count >= PROPOSED_BY]
