"""All that is found of a store's pictures, as numbers of units that the store keeps and as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from deepvis_toolbox.judging.features import Distance
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.files.picture_files import KIND
from deepvis_toolbox.optimize.files.transfer import Transfer, first_pictures, whole_picture_input
from deepvis_toolbox.optimize.natural.path_similarity import PathSimilarity, mean_of
from deepvis_toolbox.optimize.natural.photographs import Photographs, first_record
from deepvis_toolbox.unit_images.naturalness import PHOTOGRAPHS, Naturalness
from deepvis_toolbox.unit_images.naturalness import mean_of as mean_naturalness
from deepvis_toolbox.unit_images.numbers import LONGEST_NAME, JudgeNumbers, UnitNumbers, numbers_of, picture_hash
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.unit import Unit


@dataclass
class Judgement:
    """What is found of the pictures of classes, `units`, and beside photographs of those of other layers."""

    units: Sequence[Unit]
    natural: Sequence[Naturalness]
    transfers: dict[str, Transfer] = field(default_factory=dict)
    judges: dict[str, str] = field(default_factory=dict)
    """How the judges are called in stores: no place of a file, as the name that a user gives may be."""
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The judges' names of classes."""
    distances: dict[str, Distance] = field(default_factory=dict)
    others: Sequence[Unit] = ()
    """Of other layers, of which photographs tell something."""
    paths: dict[Unit, PathSimilarity | None] = field(default_factory=dict)
    """Of those that were compared with photographs; None where nothing can be told."""
    reached: dict[Unit, float] = field(default_factory=dict)
    largest: dict[Unit, float] = field(default_factory=dict)
    """The units' largest activations on photographs."""

    @property
    def path(self) -> PathSimilarity | None:
        """The mean over the classes' units."""
        found = [path for unit in self.units if (path := self.paths.get(unit)) is not None]
        return mean_of(found) if found else None

    @property
    def over_natural(self) -> list[float]:
        """The activation reached over the largest on photographs, of the classes of which both are known."""
        return self.shares_of(self.units)

    def shares_of(self, units: Sequence[Unit]) -> list[float]:
        """Return the activation reached over the largest on photographs, of the units of which both are known."""
        return [
            self.reached[unit] / self.largest[unit]
            for unit in units
            if unit in self.reached and self.largest.get(unit, 0) > 0
        ]

    def similarity(self, unit: Unit) -> float | None:
        """Return a unit's path similarity; None where it is not known."""
        path = self.paths.get(unit)
        return path.whole if path else None

    @property
    def hidden_layers(self) -> dict[str, list[Unit]]:
        """The other units by layer."""
        found: dict[str, list[Unit]] = {}
        for unit in self.others:
            found.setdefault(unit.layer, []).append(unit)
        return found

    def said(self, judge: str, number: int) -> str:
        """Return how a judge calls a class."""
        labels = self.labels.get(judge, ())
        return labels[number] if number < len(labels) else str(number)

    def numbers(self, store: UnitImageStore) -> dict[Unit, UnitNumbers]:
        """Return what the store keeps of each unit; what was known of the same picture before, and is not asked for
        now, stays. A path similarity of which photographs now tell nothing goes."""
        natural = dict(zip(self.units, self.natural, strict=True))
        verdicts = {name: {each.unit: each for each in found.verdicts} for name, found in self.transfers.items()}
        kept: dict[Unit, UnitNumbers] = {}
        for unit in dict.fromkeys((*self.units, *self.reached, *self.paths)):
            owner, files = store.owning_unit(unit), store.files(KIND, unit)
            former = numbers_of(store, unit) or UnitNumbers(picture_sha256=picture_hash(files[0]))
            found: dict[str, Any] = {"reached": self.reached.get(unit)}
            if unit in natural:
                found |= natural[unit]._asdict()
                transfer = {
                    self.judges[name][:LONGEST_NAME]: JudgeNumbers(
                        rank=each[unit].rank,
                        probability=each[unit].probability,
                        said=self.said(name, each[unit].said)[:LONGEST_NAME],
                    )
                    for name, each in verdicts.items()
                }
                found["transfer"] = {**former.transfer, **transfer}
            known = {key: value for key, value in found.items() if value is not None}
            if unit in self.paths:
                known["path_similarity"] = self.similarity(unit)
            kept[owner] = former.model_copy(update=known)
        return kept

    def plain(self) -> dict[str, Any]:
        """Return all of it as plain data for JSON."""
        path = self.path
        return {
            "judges": {name: self._of_judge(name) for name in self.transfers},
            **self._naturalness(),
            "over_natural": float(np.median(self.over_natural)) if self.over_natural else None,
            "path_similarity": path.whole if path else None,
            "path": _plain_path(path) if path else None,
            "pictures": [
                {**self._of_unit(unit), **own._asdict()} for unit, own in zip(self.units, self.natural, strict=True)
            ],
            "others": [self._of_unit(unit) for unit in self.others],
        }

    def _naturalness(self) -> dict[str, float]:
        if not self.natural:
            return {}
        inside = PHOTOGRAPHS.shares_inside(self.natural)._asdict()
        return {**mean_naturalness(self.natural)._asdict(), **{f"{name}_inside": each for name, each in inside.items()}}

    def _of_judge(self, name: str) -> dict[str, Any]:
        found, distance = self.transfers[name], self.distances.get(name)
        shares = {"top_1": found.top(1), "top_5": found.top(5), "probability": found.probability}
        pictures = [{**asdict(verdict), "unit": str(verdict.unit)} for verdict in found.verdicts]
        frechet = {**asdict(distance), "times": distance.times} if distance else None
        return {**shares, "frechet": frechet, "pictures": pictures}

    def _of_unit(self, unit: Unit) -> dict[str, Any]:
        return {
            "unit": str(unit),
            "reached": self.reached.get(unit),
            "natural": self.largest.get(unit),
            "path_similarity": self.similarity(unit),
        }


def _plain_path(path: PathSimilarity) -> dict[str, Any]:
    arrays = {name: getattr(path, name).tolist() for name in ("preferred", "among", "random")}
    return {"layers": list(path.layers), **arrays}


def reached_values(net: Network, store: UnitImageStore, units: Sequence[Unit]) -> dict[Unit, float]:
    """Return what each class's unit reached, as the record of its first picture says; without a record, on that picture
    as it is kept."""
    found = recorded_values(net, store, units)
    known = {unit: each.reached for unit in units if (each := numbers_of(store, unit)) and each.reached is not None}
    missing = [unit for unit in units if unit not in found and unit not in known]
    for unit, picture in zip(missing, first_pictures(store, missing), strict=True):
        value = net.forward(whole_picture_input(picture, net), [unit.layer])[unit.layer]
        found[unit] = float(value.flatten(1)[0, unit.channel])
    return {**known, **found}


def recorded_values(net: Network, store: UnitImageStore, units: Sequence[Unit]) -> dict[Unit, float]:
    """Return what each unit reached, as the record of its first picture says; without one, it is left out."""
    records = {unit: first_record(net, store, unit) for unit in units}
    return {
        unit: float(record["best_objective"])
        for unit, record in records.items()
        if record is not None and record["best_objective"] is not None
    }


def largest_values(photographs: Photographs, units: Sequence[Unit]) -> dict[Unit, float]:
    """Return the units' largest activations on photographs, of those of which they are known."""
    found: Mapping[Unit, float | None] = {unit: photographs.largest(unit) for unit in units}
    return {unit: value for unit, value in found.items() if value is not None}
