"""Where a unit fires, in the picture: its map aligned with it, and Grad-CAM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakKeyDictionary

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.measure.alignment import PlacesInPicture, places_in_picture
from deepvis_toolbox.measure.layer_maps import channels_first
from deepvis_toolbox.measure.measurement import Measurement
from deepvis_toolbox.measure.needs import Needs
from deepvis_toolbox.network.operation_names import SOFTMAXES
from deepvis_toolbox.words.images import Floats

if TYPE_CHECKING:
    import torch

    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network


@dataclass(frozen=True, eq=False)
class Heat:
    """A map laid over the picture."""

    map: Floats
    """(H, W), float32, of the layer's own size."""
    layer: str
    """The layer whose map it is."""
    over_picture: Floats
    """(height, width) of the input: the same, aligned by receptive fields."""
    note: str = ""
    start: str = ""
    """Grad-CAM: the layer at which the derivative starts."""


@dataclass(frozen=True)
class UnitHeat(Measurement[Heat]):
    """Where in the picture is a unit active?"""

    layer: str
    unit: int

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return the layer."""
        return Needs(frozenset({self.layer}))

    def take(self, passes: Pass) -> Heat:
        """Answer with the unit's map; `ToolboxError` for a layer without places, or a unit that is not there."""
        layer = passes.network.layers[self.layer]
        places = places_in_picture(passes.network, self.layer)
        check_unit(passes.network, self.layer, self.unit)
        values = channels_first(layer, passes.on_cpu(passes.activations(self.layer)))[self.unit]
        note = "" if values.any() else f"{self.layer}:{self.unit} is off everywhere"
        return Heat(values, self.layer, places.spread(values), note or _stretched_note(places, self.layer))


@dataclass(frozen=True)
class PlacesOf(Measurement[PlacesInPicture]):
    """Where do a layer's places lie in the picture? It is the same for every picture."""

    layer: str

    def take(self, passes: Pass) -> PlacesInPicture:
        """Answer with their receptive fields; `ToolboxError` for a layer without places."""
        return places_in_picture(passes.network, self.layer)


@dataclass(frozen=True)
class GradCAM(Measurement[Heat]):
    """Where is the evidence for a unit (Selvaraju et al. 2017, equations 1 and 2)?

    Each map of a layer below is weighted by the mean of the derivative over its places; the sum's positive part is
    kept. The derivative is of the unit's value below its rectifier; of a unit with places, of their mean; of a class's
    probability, of what goes into the softmax, as in the paper.
    """

    belongs_to_picture: ClassVar[bool] = True

    layer: str
    unit: int
    at: str | None = None
    """The layer below whose maps are weighted; None: the last with at least 2×2 places, or for a unit with places, the
    nearest of those that feed it. Tokens of which nothing but the class token is read on are passed over."""

    def needs(self, network: Network) -> Needs:
        """Return both layers, of a pass that is kept."""
        return Needs(frozenset({self._start(network), self._target(network)}), is_recorded=True)

    def take(self, passes: Pass) -> Heat:
        """Answer with the map; `ToolboxError` where there is no layer with places below."""
        network, target, start = passes.network, self._target(passes.network), self._start(passes.network)
        check_unit(network, self.layer, self.unit)
        diff = mean_diff(passes.activations(start), network.layers[start].is_tokens, self.unit)
        gradient = passes.gradients(start, diff, "grad", [target], behind_rectifiers=True)[target]
        layer = network.layers[target]
        maps = channels_first(layer, passes.on_cpu(passes.activations(target)))
        slopes = channels_first(layer, passes.on_cpu(gradient))
        weights = slopes.mean((1, 2))
        combined = (weights[:, None, None] * maps).sum(0).clip(min=0)
        places = places_in_picture(network, target)
        note = "" if combined.any() else f"nothing in {target} speaks for {self.layer}:{self.unit} here"
        return Heat(combined, target, places.spread(combined), note or _stretched_note(places, target), start)

    def _start(self, network: Network) -> str:
        own = network.layers.canonical(self.layer)
        below = network.layers_below(own)
        is_softmax = network.layers[own].kind in SOFTMAXES and not network.layers[own].has_places
        if is_softmax and below and network.layers[below[-1]].channels == network.layers[own].channels:
            return below[-1]
        return own

    def _target(self, network: Network) -> str:
        own = network.layers.canonical(self.layer)
        below = network.layers_below(own)
        if self.at is not None:
            target = network.layers.canonical(self.at)
            if target not in below:
                raise ToolboxError(f"{self.at} is not below {self.layer}: nothing of it arrives there")
            return target
        feeding = [name for name in network.layers_feeding(own) if name in below]
        for names in (feeding if network.layers[own].is_spatial else [], below):
            with_places = [name for name in names if network.layers[name].has_places]
            if with_places:
                return _last_that_counts(network, self._start(network), with_places)
        raise ToolboxError(f"no layer below {self.layer} has places: Grad-CAM needs one")


_COUNTING: WeakKeyDictionary[Network, dict[tuple[str, ...], str]] = WeakKeyDictionary()


def _last_that_counts(network: Network, start: str, names: Sequence[str]) -> str:
    """Return the last of some layers with places whose places have a say in `start`: where a class token alone is read,
    the others' tokens behind the last attention have none, whatever the picture. The very last where none has."""
    last = names[-1]
    if not network.layers[last].is_tokens:
        return last
    known = _COUNTING.setdefault(network, {})
    asked = (start, *names)
    if asked not in known:
        import torch

        noise = torch.randn(1, *network.input_shape, generator=torch.Generator().manual_seed(0))
        recording = network.record(noise.to(network.device), [start, *names])
        everything = torch.ones_like(recording.activations([start])[start])
        arriving = recording.backward(start, everything, "grad", at=names)
        counting = [name for name in names if _at_places(network, name, arriving[name]).any()]
        known[asked] = counting[-1] if counting else last
    return known[asked]


def _at_places(network: Network, name: str, value: torch.Tensor) -> Floats:
    return channels_first(network.layers[name], value[0].cpu().numpy())


def mean_diff(value: torch.Tensor, is_tokens: bool, unit: int) -> torch.Tensor:
    """Return the diff, float32 of a value's shape (1, …), that asks for the derivative of a unit's mean over places."""
    diff = value.new_zeros(value.shape)
    own = diff[..., unit] if is_tokens else diff[:, unit]
    own.fill_(1 / own[0].numel())
    return diff


def check_unit(network: Network, layer: str, unit: int) -> None:
    """Raise `ToolboxError` where a layer does not have a unit."""
    described = network.layers[network.layers.canonical(layer)]
    if not 0 <= unit < described.channels:
        raise ToolboxError(f'layer "{described.name}" has units 0 to {described.channels - 1}, not {unit}')


def _stretched_note(places: PlacesInPicture, layer: str) -> str:
    return "" if places.by_fields else f"{layer} sees the whole picture everywhere: its map is stretched over it"
