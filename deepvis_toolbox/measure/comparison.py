"""Comparison: what a pinned picture or another network gives, and how far that is from what is there now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.measure.layer_maps import LayerGradients, LayerMaps, Maps
from deepvis_toolbox.measure.measurement import Answer, Measurement
from deepvis_toolbox.measure.needs import Needs
from deepvis_toolbox.measure.who_fires import ActiveUnits, UnitsByScore, flat_maps, strongest_first
from deepvis_toolbox.words.comparison import Reference
from deepvis_toolbox.words.unit import Unit

if TYPE_CHECKING:
    import torch

    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network


@dataclass(frozen=True)
class Compared(Measurement[Answer]):
    """What is the answer for the pinned picture, or of the other network?"""

    reference: Reference
    asked: Measurement[Any]
    compares: ClassVar[bool] = True

    def plan(self, passes: Pass) -> Iterable[tuple[Pass, Needs]]:
        """Return the pass that is compared with."""
        return self.asked.plan(passes.reference(self.reference))

    def take(self, passes: Pass) -> Answer:
        """Answer with what is asked, of that pass."""
        answer: Answer = self.asked.take(passes.reference(self.reference))
        return answer


@dataclass(frozen=True)
class ComparedMaps(Measurement[Maps]):
    """What are the activations of a layer for the pinned picture, or in the other network?

    Of the other network: in the layer of the same name and shape, unit by unit.
    """

    reference: Reference
    layer: str
    compares: ClassVar[bool] = True

    def plan(self, passes: Pass) -> Iterable[tuple[Pass, Needs]]:
        """Return the pass that is compared with; `ToolboxError` where the other network has no such layer."""
        return LayerMaps(self.layer).plan(_with_layer(passes, self.reference, self.layer))

    def take(self, passes: Pass) -> Maps:
        """Answer with the activations."""
        other = passes.reference(self.reference)
        found, units = LayerMaps(self.layer).take(other), other.matched_units(self.layer)
        return found if units is None else Maps(found.maps[units], found.note)


@dataclass(frozen=True)
class Difference(Measurement[Maps]):
    """How far are a layer's values from those of the pinned picture, or of the other network? Now minus those.

    Of the other network: in the layer of the same name and shape, unit by unit.
    """

    reference: Reference
    asked: LayerMaps | LayerGradients

    @property
    def layer(self) -> str:
        """The layer whose values are compared."""
        return self.asked.layer

    def needs(self, network: Network) -> Needs:
        """Return what is needed for what is asked."""
        return self.asked.needs(network)

    def plan(self, passes: Pass) -> Iterable[tuple[Pass, Needs]]:
        """Return both passes; `ToolboxError` where the other network has no such layer."""
        return (*self.asked.plan(passes), *self.asked.plan(_with_layer(passes, self.reference, self.layer)))

    def take(self, passes: Pass) -> Maps:
        """Answer with the differences."""
        other = passes.reference(self.reference)
        theirs, units = self.asked.take(other).maps, other.matched_units(self.layer)
        maps = self.asked.take(passes).maps - (theirs if units is None else theirs[units])
        return Maps(maps, "" if maps.any() else f"there is no difference in {self.layer}")


@dataclass(frozen=True)
class UnitsByDifference(Measurement[ActiveUnits]):
    """In which order do a layer's units differ? By the largest difference of each, up or down, over its places; equal
    ones in their order."""

    reference: Reference
    layer: str

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return the layer."""
        return Needs(frozenset({self.layer}))

    def plan(self, passes: Pass) -> Iterable[tuple[Pass, Needs]]:
        """Return both passes; `ToolboxError` where the other network has no such layer."""
        needs = self.needs(passes.network)
        return (passes, needs), (_with_layer(passes, self.reference, self.layer), needs)

    def take(self, passes: Pass) -> ActiveUnits:
        """Answer with the order, and the sizes of the differences."""
        values = _differences(passes, self.reference, self.layer).abs().amax(1).cpu().numpy()
        order = strongest_first(values)
        return ActiveUnits(tuple(order.tolist()), values[order])


@dataclass(frozen=True)
class MostDifferent(Measurement[UnitsByScore]):
    """Which units are farthest from what they are for the pinned picture, or in the other network?

    A unit's score is the root mean square of its differences over its places, divided by the standard deviation of all
    of the layer's values there, so that layers can be compared. Layers that only one of two networks has, or that have
    other shapes, are left out, and so are units that do not differ, and layers whose units are not matched (yet): the
    note says then of how many layers the units are.
    """

    reference: Reference
    layers: tuple[str, ...]
    top: int = 10
    may_lag: ClassVar[bool] = True

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return the layers."""
        return Needs(frozenset(self.layers))

    def plan(self, passes: Pass) -> Iterable[tuple[Pass, Needs]]:
        """Return both passes."""
        other = passes.reference(self.reference)
        needs = Needs(frozenset(self._known(passes)))
        return (passes, needs), (other, needs)

    def take(self, passes: Pass) -> UnitsByScore:
        """Answer with the units' addresses, farthest first."""
        found: list[tuple[float, Unit]] = []
        known, both = self._known(passes), self._in_both(passes)
        for name in known:
            scores = _distances(passes, self.reference, name)
            order = strongest_first(scores)[: self.top]
            found += [(float(scores[unit]), Unit(name, int(unit))) for unit in order if scores[unit] > 0]
        found.sort(key=lambda item: -item[0])
        best = found[: self.top]
        of_how_many = f"{len(known)} of {len(both)} layers" if len(known) < len(both) else ""
        note = of_how_many if best else f"no unit differs in {of_how_many}".removesuffix(" in ")
        return UnitsByScore(tuple(unit for _, unit in best), np.array([score for score, _ in best], np.float32), note)

    def _in_both(self, passes: Pass) -> list[str]:
        other = passes.reference(self.reference)
        return [name for name in self.layers if not why_not_compared(passes.network, other.network, name)]

    def _known(self, passes: Pass) -> list[str]:
        """Return the layers that can be compared; `ToolboxError` where of none it is known which units go together."""
        other, known, refusal = passes.reference(self.reference), [], None
        for name in self._in_both(passes):
            try:
                other.matched_units(name)
                known.append(name)
            except ToolboxError as error:
                refusal = refusal or error
        if refusal and not known:
            raise refusal
        return known


def _with_layer(passes: Pass, reference: Reference, layer: str) -> Pass:
    """Return the pass that is compared with; `ToolboxError` where its network has no such layer."""
    other = passes.reference(reference)
    if refusal := why_not_compared(passes.network, other.network, layer):
        raise ToolboxError(refusal)
    other.matched_units(layer)  # says it where they are not known
    return other


def why_not_compared(network: Network, other: Network, name: str) -> str:
    """Return why the other network has no layer of this name and shape, as a sentence; empty where it has."""
    if other is network:
        return ""
    layer = network.layers[network.layers.canonical(name)]
    if layer.name not in list(other.layers):
        return f"{other.name} has no layer {layer.name}: there is nothing to compare with"
    shape = other.layers[layer.name].shape
    if shape != layer.shape:
        there, here = ("×".join(map(str, each)) for each in (shape, layer.shape))
        return f"{layer.name} is {there} in {other.name} and {here} in {network.name}: they cannot be compared"
    return ""


def _differences(passes: Pass, reference: Reference, layer: str) -> torch.Tensor:
    """Return the differences of a layer's activations (units, places), float32, where the network computes."""
    other = passes.reference(reference)
    now, then = (flat_maps(each, each.activations(layer), layer) for each in (passes, other))
    units = other.matched_units(layer)
    return now - (then if units is None else then[units.tolist()]).to(now.device)


def _distances(passes: Pass, reference: Reference, layer: str) -> np.ndarray:
    """Return each unit's score (units,); what is not finite counts as no difference."""
    differences = _differences(passes, reference, layer)
    distances = differences.norm(dim=1) / differences.shape[1] ** 0.5
    spread = float(passes.reference(reference).activations(layer).detach().float().std(correction=0))
    scores = (distances / spread if spread else distances).cpu().numpy()
    return np.nan_to_num(scores, nan=0.0, posinf=0.0)
