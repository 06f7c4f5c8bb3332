"""What the atlas says of each unit: out of the network, its store of pictures, and a scan where there is one."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from deepvis_toolbox.atlas.other_network import OtherNetwork, Partners
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.measure import Session, UnitWeights
from deepvis_toolbox.optimize.files.as_shown import as_shown, seed_of
from deepvis_toolbox.optimize.files.picture_files import KIND
from deepvis_toolbox.optimize.files.reached import record_beside
from deepvis_toolbox.optimize.method.targets import checked_target
from deepvis_toolbox.optimize.production import store_files
from deepvis_toolbox.scan.unit_classes import Classes, unit_classes_of
from deepvis_toolbox.unit_images.numbers import UnitNumbers, numbers_of
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.layer import Layer
from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_image_kinds import UNIT_IMAGE_KINDS, UnitImageKind

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network
    from deepvis_toolbox.scan.top_images import TopImages

_log = logging.getLogger(__name__)

FEEDERS = 8
"""Units of the layer below that are named."""
COMPANIONS = 8
"""Units of the same layer that fire with it."""
TOP = 9


@dataclass
class LayerContents:
    """A layer's page. `units`: what is known of each unit, plain data by name; what is not known is left out."""

    layer: Layer
    below: tuple[str, ...]
    """The layers that feed it."""
    above: tuple[str, ...]
    units: list[dict[str, Any]]
    without_weights: str = ""
    """Why nothing is said of what feeds a unit by its weights; empty where it is."""
    pictured: dict[UnitImageKind, set[int]] = field(default_factory=dict)
    partners: Partners | None = None
    """Its units in another network; None without one."""

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name


class Contents:
    """Looks each layer up. `scan`: one of the same network, which is not asked here; None without one. `other`: what it
    is compared with."""

    def __init__(
        self,
        network: Network,
        store: UnitImageStore,
        scan: TopImages | None = None,
        other: OtherNetwork | None = None,
    ) -> None:
        self.network, self.store, self.scan, self.other = network, store, scan, other
        self._labels = dict(enumerate(network.labels))
        self._session = Session(network)
        self.graph = {name: tuple(network.layers_feeding(name)) for name in network.layers}

    def layers(self, wanted: Sequence[str] = ()) -> list[str]:
        """Return the layers that have a page: those wanted, else those with pictures or in the scan."""
        if wanted:
            return [name for name in self.network.layers if name in set(wanted)]
        return [name for name in self.network.layers if self._has_pictures(name) or self._is_scanned(name)]

    def of(self, name: str) -> LayerContents:
        """Return all that is known of a layer."""
        layer = self.network.layers[name]
        above = tuple(other for other, below in self.graph.items() if name in below)
        pictured = {
            kind: {unit.channel for unit in self.store.units(kind, name) if unit.channel < layer.channels}
            for kind in UNIT_IMAGE_KINDS
        }
        found = LayerContents(layer, self.graph[name], above, [{} for _ in range(layer.channels)], "", pictured)
        self._add_names(found)
        self._add_weights(found)
        if self._is_scanned(name):
            self._add_scan(found)
        self._add_reached(found)
        if self.other is not None:
            _add_partners(found, self.other.partners(name))
        return found

    def _has_pictures(self, name: str) -> bool:
        """Whether it has some of its own; one that shows another's needs no page."""
        return self.store.owner(name) == name and any(self.store.units(kind, name) for kind in UNIT_IMAGE_KINDS)

    def _is_scanned(self, name: str) -> bool:
        return self.scan is not None and name in self.scan.index.by_name

    def _add_names(self, found: LayerContents) -> None:
        for unit, label in zip(found.units, self.network.class_names.of(found.name), strict=False):
            unit["label"] = label

    def _add_weights(self, found: LayerContents) -> None:
        blank = np.zeros((*self.network.input_shape[1:], 3), np.uint8)
        for number in sorted(set().union(*found.pictured.values())):  # of each unit: all would take minutes
            try:
                weights = self._session.take(blank, UnitWeights(found.name, number, FEEDERS))
            except ToolboxError as error:
                found.without_weights = str(error)
                return
            found.units[number]["fed"] = [
                [below.layer, below.channel, _rounded(total), _rounded(size)]
                for below, total, size in zip(weights.units, weights.sums, weights.sizes, strict=True)
            ]

    def _add_scan(self, found: LayerContents) -> None:
        assert self.scan is not None
        scan, name = self.scan, found.name
        statistics, values, images = scan.statistics(name), scan.values[name], scan.images[name]
        labels = scan.labels
        for number, unit in enumerate(found.units):
            unit["top_labels"] = [
                [_rounded(value), self._labels.get(int(labels[image]), "")]
                for value, image in zip(values[number][:TOP], images[number][:TOP], strict=True)
                if image >= 0
            ]
            unit["largest"] = unit["top_labels"][0][0] if unit["top_labels"] else None
            unit["mean"] = _rounded(statistics.mean[number])
            unit["silent"] = _rounded(statistics.silent_share[number])
            unit["histogram"] = _shown_bins(statistics.histogram[number], statistics.edges)
        for unit, classes in zip(found.units, self._classes[name], strict=True):
            unit["classes"] = [
                [
                    self._labels.get(one.label, f"class {one.label}"),
                    _rounded(one.score),
                    None if one.expected_auprc is None else _rounded(one.expected_auprc),
                ]
                for one in classes
            ]
        for unit, companions in zip(found.units, self._companions(name), strict=False):
            unit["with"] = companions

    @cached_property
    def _classes(self) -> dict[str, Classes]:
        """What the units of all layers of the scan stand for."""
        assert self.scan is not None
        return unit_classes_of(self.scan, self.scan.layers)

    def _add_reached(self, found: LayerContents) -> None:
        """Add what the unit's value is on each preferred image that has a record, and that over its largest in the
        scan: above 1, where no picture excites it as much; in the order in which they are shown."""
        files = store_files(self.network, self.store)
        for number in sorted(found.pictured[KIND]):
            unit, largest = found.units[number], found.units[number].get("largest")
            target, reached = checked_target(Unit(found.name, number), self.network), []
            assert isinstance(target, Unit)
            for picture in as_shown(files, target):
                record = record_beside(picture, _log.warning)
                value = record["best_objective"] if record else None
                if value is not None:
                    share = _rounded(value / largest) if largest and largest > 0 else None
                    reached.append([seed_of(picture), _rounded(value), share])
            if reached:
                unit["reached"] = reached
            numbers = numbers_of(self.store, Unit(found.name, number))
            unit.update(_judged(numbers) if numbers else {})

    def _companions(self, name: str) -> Iterator[list[list[float]]]:
        """Yield for each unit those whose maxima go with its own over the data set, and the correlations."""
        assert self.scan is not None
        try:
            found = self.scan.correlation(name)
        except ToolboxError:
            return
        np.fill_diagonal(found, -1)
        known = np.nan_to_num(found, nan=-1)
        for row in known:
            order = np.argsort(-row, kind="stable")[:COMPANIONS]
            yield [[int(other), _rounded(row[other])] for other in order if row[other] > 0]


def _add_partners(found: LayerContents, partners: Partners) -> None:
    found.partners = partners
    for number, unit in enumerate(found.units):
        if not partners.why_none:
            unit["other"] = partners.said(number)


def _judged(numbers: UnitNumbers) -> dict[str, Any]:
    """Return what the judge has kept of a unit's picture."""
    said = [[name, each.rank + 1, _rounded(each.probability), each.said] for name, each in numbers.transfer.items()]
    known = {"over_natural": numbers.over_natural, "path": numbers.path_similarity}
    return {
        **({"judged": said} if said else {}),
        **({"look": numbers.look} if numbers.look else {}),
        **{key: _rounded(each) for key, each in known.items() if each is not None},
    }


def _rounded(value: Any) -> float:
    """Return a number with the digits that a page shows; None is no number of JSON's, so NaN becomes 0."""
    number = float(value)
    return float(f"{number:.4g}") if np.isfinite(number) else 0.0


def _shown_bins(counts: np.ndarray, edges: np.ndarray) -> dict[str, Any]:
    """Return the part of a histogram that is not empty: its bins' edges and counts."""
    used = np.flatnonzero(counts)
    if not len(used):
        return {"edges": [], "counts": []}
    first, last = int(used[0]), int(used[-1]) + 1
    inner = [max(-1e9, min(1e9, float(edge))) for edge in edges[first : last + 1]]
    return {"edges": [_rounded(edge) for edge in inner], "counts": [int(count) for count in counts[first:last]]}
