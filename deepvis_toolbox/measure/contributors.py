"""Why a unit fires: the units below that make it, and what would happen above without it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.measure.layer_maps import channels_first
from deepvis_toolbox.measure.measurement import Measurement
from deepvis_toolbox.measure.needs import Needs
from deepvis_toolbox.measure.where_it_looks import check_unit
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.images import Floats
from deepvis_toolbox.words.layer import Layer
from deepvis_toolbox.words.unit import Unit

if TYPE_CHECKING:
    import torch

    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network


@dataclass(frozen=True, eq=False)
class UnitContributions:
    """What units add to another one's value, largest first, whatever their sign."""

    units: tuple[Unit, ...]
    contributions: Floats
    """(units,), in the scale of `value`."""
    shares: Floats
    """(units,), each contribution over the sum of all contributions' sizes, of units left out too: −1 to 1."""
    value: float
    """The unit's value below its rectifier, at `place`."""
    place: tuple[int, int] | None
    """Row and column of the unit's strongest place; None where it has no places."""
    remainder: float
    """What is left of the value without all contributions: biases, and what is not linear between the layers."""
    layers: tuple[str, ...]
    """The layers whose units contribute."""
    maps: tuple[Floats, ...] = ()
    """The units' activations, (H, W), or () where there are no places."""


@dataclass(frozen=True)
class Contributors(Measurement[UnitContributions]):
    """Which units below make a unit as active as it is on this picture?

    Of the layers that feed the unit's (see `Network.layers_feeding`), each unit contributes the sum over its places of
    activation × derivative; the derivative is of the unit's value below its rectifier at its strongest place.
    """

    layer: str
    unit: int
    top: int | None = 10
    """How many; None: all."""
    at: tuple[str, ...] | None = None
    """Other layers below than those that feed it."""

    def needs(self, network: Network) -> Needs:
        """Return the layers, of a pass that is kept."""
        return Needs(frozenset({self.layer, *self._below(network)}), is_recorded=True)

    def take(self, passes: Pass) -> UnitContributions:
        """Answer with the strongest; `ToolboxError` for the input layer, which nothing feeds."""
        network = passes.network
        check_unit(network, self.layer, self.unit)
        layer, below = network.layers[self.layer], self._below(network)
        value, place, diff = _strongest_place(passes.below_rectifier(self.layer), layer, self.unit)
        slopes = passes.gradients(self.layer, diff, "grad", below, behind_rectifiers=True)
        units: list[Unit] = []
        parts: list[Floats] = []
        for name in below:
            own = (passes.activations(name) * slopes[name])[0].double()
            axes = tuple(range(own.ndim - 1)) if network.layers[name].is_tokens else tuple(range(1, own.ndim))
            parts.append((own.sum(axes) if axes else own).cpu().numpy())
            units += [Unit(name, unit) for unit in range(network.layers[name].channels)]
        contributions = np.concatenate(parts)
        total = float(np.abs(contributions).sum()) or 1.0
        order = np.argsort(-np.abs(contributions), kind="stable")[: self.top]
        strongest = tuple(units[index] for index in order)
        return UnitContributions(
            strongest,
            contributions[order].astype(np.float32),
            (contributions[order] / total).astype(np.float32),
            value,
            place,
            value - float(contributions.sum()),
            below,
            _maps_of(passes, strongest),
        )

    def _below(self, network: Network) -> tuple[str, ...]:
        own = network.layers.canonical(self.layer)
        if self.at is None:
            feeding = network.layers_feeding(own)
            if not feeding:
                raise ToolboxError(f"nothing feeds {own}: it is the input")
            return feeding
        named = tuple(map(network.layers.canonical, self.at))
        above = [name for name in named if name not in network.layers_below(own)]
        if above:
            raise ToolboxError(f"{above[0]} is not below {own}: nothing of it arrives there")
        return named


@dataclass(frozen=True, eq=False)
class UnitEffects:
    """What units of a layer lose (below zero: gain) where another unit is off."""

    units: tuple[Unit, ...]
    """Those that lose or gain most, first."""
    losses: Floats
    """(units,): the unit's largest activation as it is, minus without the other one."""
    before: Floats
    """(units,): as it is."""
    layer: str
    """The layer whose units these are."""
    maps: tuple[Floats, ...] = ()
    """The units' activations as they are, (H, W), or () where there are no places."""


@dataclass(frozen=True)
class Raised(Measurement[UnitEffects]):
    """Which units of a layer above does a unit raise? Found by switching it off: an effect, no derivative."""

    layer: str
    unit: int
    above: str | None = None
    """None: the nearest layer that mixes the unit with others (see `Network.layers_feeding`)."""
    top: int = 10

    def needs(self, network: Network) -> Needs:
        """Return both layers, of a pass that is kept."""
        return Needs(frozenset({self.layer, self._above(network)}), is_recorded=True)

    def plan(self, passes: Pass) -> Iterable[tuple[Pass, Needs]]:
        """Return the pass as it is, and the one without the unit; `ToolboxError` where the engine has no such pass."""
        check_unit(passes.network, self.layer, self.unit)
        if passes.network.no_edits:
            raise ToolboxError(passes.network.no_edits)
        above = Needs(frozenset({self._above(passes.network)}))
        return (passes, self.needs(passes.network)), (passes.edited(self._without), above)

    @property
    def _without(self) -> tuple[Edit, ...]:
        return (Edit(self.layer, (self.unit,), "zero"),)

    def take(self, passes: Pass) -> UnitEffects:
        """Answer with the most affected; `ToolboxError` where the other layer is not above."""
        network = passes.network
        check_unit(network, self.layer, self.unit)
        above = self._above(network)
        before = _largest(passes, above)
        after = _largest(passes.edited(self._without), above)
        losses = before - after
        order = np.argsort(-np.abs(losses), kind="stable")[: self.top]
        units = tuple(Unit(above, int(unit)) for unit in order)
        return UnitEffects(units, losses[order], before[order], above, _maps_of(passes, units))

    def _above(self, network: Network) -> str:
        own = network.layers.canonical(self.layer)
        if self.above is None:
            return nearest_mixing(network, own)
        above = network.layers.canonical(self.above)
        if own not in network.layers_below(above):
            raise ToolboxError(f"{self.above} is not above {self.layer}: nothing of it arrives there")
        return above


def nearest_mixing(network: Network, layer: str) -> str:
    """Return the nearest layer above that mixes a layer's units; `ToolboxError` where nothing does.

    A layer that only takes each unit's values further, a convolution of each channel by itself among them, is passed
    over.
    """
    names = list(network.layers)
    above = names[names.index(layer) + 1 :]
    own = network.layers_feeding(layer)
    mixing = next((name for name in above if layer in network.layers_feeding(name)), None)
    beyond = (name for name in above if network.layers_feeding(name) != own and layer in network.layers_below(name))
    found = mixing or next(beyond, None)
    if found is None:
        raise ToolboxError(f"nothing above {layer} mixes its units: it is the last layer")
    return found


def _maps_of(passes: Pass, units: tuple[Unit, ...]) -> tuple[Floats, ...]:
    """Return the units' activations, each (H, W), or () where there are no places."""
    maps = []
    for unit in units:
        layer, values = passes.network.layers[unit.layer], passes.activations(unit.layer)
        own = values[..., unit.channel, None] if layer.is_tokens else values[:, unit.channel, None]
        maps.append(channels_first(layer, passes.on_cpu(own))[0])
    return tuple(maps)


def _largest(passes: Pass, layer: str) -> Floats:
    """Return each unit's largest activation, (units,)."""
    values = passes.on_cpu(passes.activations(layer))
    axes = 0 if passes.network.layers[layer].is_tokens else tuple(range(1, values.ndim))
    return np.asarray(values.max(axes) if axes != () else values, np.float32)


def _strongest_place(
    value: torch.Tensor, layer: Layer, unit: int
) -> tuple[float, tuple[int, int] | None, torch.Tensor]:
    """Return a unit's largest value, where it is, and the diff that starts there, of the shape of `value`, (1, …)."""
    diff = value.new_zeros(value.shape)
    own, own_diff = (value[0, ..., unit], diff[0, ..., unit]) if layer.is_tokens else (value[0, unit], diff[0, unit])
    if own.ndim == 0:
        own_diff.fill_(1)
        return float(own), None, diff
    flat = int(own.argmax())
    index = np.unravel_index(flat, tuple(own.shape))
    own_diff[index] = 1
    place = (int(index[0]), int(index[1])) if layer.is_spatial else None
    return float(own[index]), place, diff
