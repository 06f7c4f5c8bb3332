"""Who fires: units in the order of how active they are, everywhere or in a part of the picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.measure.alignment import PlacesInPicture, places_in_picture
from deepvis_toolbox.measure.measurement import Measurement
from deepvis_toolbox.measure.needs import Needs
from deepvis_toolbox.words.images import Floats
from deepvis_toolbox.words.layer import Rect
from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_maxima import UnitMaxima

if TYPE_CHECKING:
    import torch

    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network

By = Literal["maximum", "mean", "share"]


@dataclass(frozen=True, eq=False)
class ActiveUnits:
    """Units, strongest first."""

    units: tuple[int, ...]
    values: Floats
    """(units,), in the same order, in the layer's own scale; by share, 1 for as much as the unit's largest."""


@dataclass(frozen=True, eq=False)
class UnitsByScore:
    """Units, highest score first."""

    units: tuple[Unit, ...] | tuple[int, ...]
    """Numbers in one layer, addresses where there are several."""
    scores: Floats
    """(units,), in standard deviations of the unit's layer over this picture."""
    note: str = ""


@dataclass(frozen=True)
class MostActive(Measurement[ActiveUnits]):
    """Which units fire most? By each unit's maximum over its places, its mean, or its share: its maximum over the
    largest that a data set brought it to (`largest`). Equal ones in their order.

    A unit that nothing in the data set has made fire comes first by share where it fires now, else last.
    """

    layer: str
    by: By = "maximum"
    top: int | None = None
    """How many; None: all."""
    largest: UnitMaxima | None = None
    """What shares are of: `TopImages.largest(layer)` of a scan."""

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return the layer."""
        return Needs(frozenset({self.layer}))

    def take(self, passes: Pass) -> ActiveUnits:
        """Answer with the order; values that are NaN come last. `ToolboxError` where shares have nothing to be of."""
        maps = flat_maps(passes, passes.activations(self.layer), self.layer)
        values = (maps.mean(1) if self.by == "mean" else maps.amax(1)).cpu().numpy()
        if self.by == "share":
            values = self._shares(values)
        order = strongest_first(values)[: self.top]
        return ActiveUnits(tuple(order.tolist()), values[order])

    def _shares(self, values: Floats) -> Floats:
        largest = None if self.largest is None else self.largest.values
        if largest is None or largest.shape != values.shape:
            there = "none" if largest is None else f"{len(largest)}"
            raise ToolboxError(f"a share needs the largest activation of each of {self.layer}'s {len(values)} units; "
                               f"there are {there}: give largest, of a scan of this network")  # fmt: skip
        without = np.where(values > 0, np.float32(np.inf), np.float32(np.nan))
        return np.divide(values, largest, out=without, where=largest > 0)


@dataclass(frozen=True, eq=False)
class Activity:
    """How active the most active unit of each layer is."""

    largest: Mapping[str, float]
    """{layer: its largest activation}, in the network's order."""


@dataclass(frozen=True)
class LayerActivity(Measurement[Activity]):
    """How active is each layer's most active unit?"""

    layers: tuple[str, ...]

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return the layers."""
        return Needs(frozenset(self.layers))

    def take(self, passes: Pass) -> Activity:
        """Answer with the largest activation of each layer."""
        return Activity({name: float(passes.activations(name).amax()) for name in self.layers})


@dataclass(frozen=True)
class UnitsInRegion(Measurement[UnitsByScore]):
    """Which units fire in this part of the picture more than elsewhere?

    A unit's score is its mean over the places inside minus its mean over those outside, divided by the standard
    deviation of all of the layer's values on this picture, so that layers can be compared. A place counts as inside by
    the share of its cell (the input nearer to the middle of its receptive field than to its neighbours') that lies
    there. Regions are in pixels of the picture as the network sees it.
    """

    layer: str
    region: Rect
    top: int | None = None

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return the layer."""
        return Needs(frozenset({self.layer}))

    def take(self, passes: Pass) -> UnitsByScore:
        """Answer with the order; `ToolboxError` for a layer without places, and a region outside of the picture or as
        large as it."""
        places = places_in_picture(passes.network, self.layer)
        scores = _scores(passes, self.layer, places, self.region)
        order = strongest_first(scores)[: self.top]
        note = "" if places.by_fields else f"{self.layer} sees the whole picture everywhere: its maps are stretched"
        return UnitsByScore(tuple(order.tolist()), scores[order], note)


@dataclass(frozen=True)
class UnitsInRegionOfLayers(Measurement[UnitsByScore]):
    """As `UnitsInRegion`, over several layers; those that have no places, or one, are left out."""

    layers: tuple[str, ...]
    region: Rect
    top: int = 10
    may_lag: ClassVar[bool] = True

    def needs(self, network: Network) -> Needs:
        """Return the layers that have places."""
        return Needs(frozenset(self._with_places(network)))

    def take(self, passes: Pass) -> UnitsByScore:
        """Answer with the best units' addresses."""
        found: list[tuple[float, Unit]] = []
        for name in self._with_places(passes.network):
            scores = _scores(passes, name, places_in_picture(passes.network, name), self.region)
            order = strongest_first(scores)[: self.top]
            found += [(float(scores[unit]), Unit(name, int(unit))) for unit in order]
        found.sort(key=lambda item: -item[0])
        best = found[: self.top]
        return UnitsByScore(tuple(unit for _, unit in best), np.array([score for score, _ in best], np.float32))

    def _with_places(self, network: Network) -> list[str]:
        return [name for name in self.layers if network.layers[name].has_places]


def flat_maps(passes: Pass, values: torch.Tensor, layer: str) -> torch.Tensor:
    """Return values shaped as a layer's for one picture as (units, places), float32, where the network computes: only a
    number a unit needs to be copied."""
    described, values = passes.network.layers[layer], values[0].detach().float()
    if not described.is_tokens:
        return values.reshape(len(values), -1)
    rows, columns = described.map_shape
    return values[len(values) - rows * columns :].T


def strongest_first(values: Floats) -> np.ndarray:
    """Return the places of values, float32 (N,), the largest one's first, equal ones in their order, NaN last: int64
    (N,)."""
    return np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")


def _scores(passes: Pass, layer: str, places: PlacesInPicture, region: Rect) -> Floats:
    maps, inside = flat_maps(passes, passes.activations(layer), layer), places.shares_inside(region).reshape(-1)
    if not inside.any():
        raise ToolboxError("the region lies outside of the picture")
    if inside.min() == 1:
        raise ToolboxError("the region is the whole picture; there is no elsewhere to compare with")
    outside = 1 - inside
    scores = maps @ maps.new_tensor(inside / inside.sum() - outside / outside.sum())
    spread = float(maps.std(correction=0))
    return np.asarray((scores / spread if spread else scores).cpu().numpy(), np.float32)
