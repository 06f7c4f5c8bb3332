"""Finds layers, units and classes by what a person types: the nearest names first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from deepvis_toolbox.live.scanned import UnitNames
from deepvis_toolbox.words.layer import Layer
from deepvis_toolbox.words.unit import Unit

MOST = 8
"""How many names are listed."""

NO_NAMES = UnitNames()
_BEHIND = 1 << 20
"""More than a network has classes."""

_WORD = re.compile(r"[\s._\-/:]+")


@dataclass(frozen=True)
class Found:
    """Something whose name is near to what was typed."""

    name: str
    """As it is listed: a layer's name, an address, a class's name, what a unit stands for with its score."""
    what: str
    """`layer`, `unit`, or for a class, and for what a unit stands for, the unit's address."""
    layer: str
    unit: int | None
    """None: the layer as a whole."""


@lru_cache(maxsize=16)
def matches(
    text: str,
    layers: tuple[Layer, ...],
    shown: str,
    labels: tuple[str, ...],
    label_layer: str,
    unit_names: UnitNames = NO_NAMES,
) -> tuple[Found, ...]:
    """Return what is called most like `text`, nearest first, at most `MOST`.

    A number means a unit of the layer `shown`, `layer:number` one of that layer; `labels` are the names of the units of
    `label_layer` (added layers bring their own), `unit_names` what a scan calls others; these take half of the list, at
    most, where more are found.
    Names whose first words are the text come first, then those that begin with it, those of which a word
    does, those that hold it, and those that hold its letters in their order; of equally near ones, shorter ones.
    """
    wanted = text.strip().lower()
    if not wanted:
        return ()
    ranked = sorted(_named(wanted, layers, labels, label_layer), key=lambda item: item[0])
    scanned = sorted(_scanned(wanted, unit_names), key=lambda item: item[0])
    ranked = sorted([*ranked, *scanned[: max(MOST // 2, MOST - len(ranked))]], key=lambda item: item[0])
    units = [found for _, found in sorted(_units(wanted, layers, shown, labels, label_layer), key=lambda item: item[0])]
    unique = dict.fromkeys([*units, *(found for _, found in ranked)])
    return tuple(unique)[:MOST]


def _named(
    wanted: str, layers: tuple[Layer, ...], labels: tuple[str, ...], label_layer: str
) -> Iterator[tuple[tuple[int, int, int], Found]]:
    for number, layer in enumerate(layers):
        if (rank := _rank(wanted, layer.name)) is not None:
            yield (rank, len(layer.name), number), Found(layer.name, "layer", layer.name, None)
    own = ((layer.name, layer.unit_names) for layer in layers if layer.unit_names)
    for named, names in ((label_layer, labels if label_layer else ()), *own):
        for number, label in enumerate(names):
            if (rank := _rank(wanted, label)) is not None:
                yield (rank, len(label), number), Found(label, str(Unit(named, number)), named, number)


def _scanned(wanted: str, unit_names: UnitNames) -> Iterator[tuple[tuple[int, int, int], Found]]:
    """Yield the units that stand for a class of such a name; of equally near ones those with the highest score first,
    behind classes and layers."""
    ranks: dict[str, int | None] = {}
    for unit, names in unit_names.by_unit.items():
        for name in names:
            if name.name not in ranks:
                ranks[name.name] = _rank(wanted, name.name)
            if (rank := ranks[name.name]) is not None:
                place = _BEHIND + round(1000 * (1 - name.score))
                yield (rank, len(name.name), place), Found(str(name), str(unit), unit.layer, unit.channel)


def _units(
    wanted: str, layers: tuple[Layer, ...], shown: str, labels: tuple[str, ...], label_layer: str
) -> Iterator[tuple[tuple[int, int, int], Found]]:
    """Yield the units that a number, `layer:number` or `layer:class` means."""
    name, colon, rest = wanted.rpartition(":")
    ranks = {layer.name: _rank(name, layer.name) if name else None for layer in layers} if colon else {shown: 0}
    is_exact = 0 in ranks.values()  # another layer's unit is not meant then
    for number, layer in enumerate(layers):
        rank = ranks.get(layer.name)
        if rank is None or (is_exact and rank):
            continue
        if rest.isdecimal() and int(rest) < layer.channels:
            yield (rank, len(layer.name), number), Found(f"{layer.name}:{int(rest)}", "unit", layer.name, int(rest))
        elif colon and rest and (names := labels if layer.name == label_layer else layer.unit_names):
            for unit, label in enumerate(names):
                if (near := _rank(rest, label)) is not None:
                    yield (rank + near, len(label), unit), Found(label, f"{layer.name}:{unit}", layer.name, unit)


def _rank(wanted: str, name: str) -> int | None:
    """Return how near a name is, 0 the nearest; None where it does not even hold the letters in their order."""
    whole = _rank_of_word(wanted, name)
    if whole is not None or " " not in wanted:
        return whole
    ranks = [_rank_of_word(word, name) for word in wanted.split()]
    return None if None in ranks else max(rank for rank in ranks if rank is not None)


def _rank_of_word(wanted: str, name: str) -> int | None:
    lower = name.lower()
    if lower == wanted:
        return 0
    if lower.startswith(wanted):
        return 1 if _WORD.match(lower, len(wanted)) else 2
    if any(word.startswith(wanted) for word in _WORD.split(lower)):
        return 3
    if wanted in lower:
        return 4
    letters = iter(lower)
    return 5 if all(letter in letters for letter in wanted) else None
