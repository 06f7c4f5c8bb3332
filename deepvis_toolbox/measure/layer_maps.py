"""A layer's maps: its activations, or what a backward pass brings to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from deepvis_toolbox.measure.measurement import Measurement
from deepvis_toolbox.measure.needs import GradientNeed, Needs
from deepvis_toolbox.network.operation_names import SOFTMAXES
from deepvis_toolbox.words.backward import BackwardMode
from deepvis_toolbox.words.layer import Layer
from deepvis_toolbox.words.unit import Unit

if TYPE_CHECKING:
    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network


@dataclass(frozen=True, eq=False)
class Maps:
    """One map for each unit of a layer."""

    maps: NDArray[np.float32]
    """(C, H, W); (C,) for a layer without places; tokens (T, D) as (D, rows, columns) of their grid."""
    note: str = ""
    """Why all of them are zero, as a sentence."""
    others: NDArray[np.float32] | None = None
    """(C, class tokens and registers): the values of tokens that stand in front of those of the grid, where there are
    some."""

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.maps, dtype=dtype, copy=copy)


@dataclass(frozen=True)
class LayerMaps(Measurement[Maps]):
    """What is every unit's activation, everywhere?"""

    layer: str

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return the layer."""
        return Needs(frozenset({self.layer}))

    def take(self, passes: Pass) -> Maps:
        """Answer with the layer's activations."""
        layer = passes.network.layers[self.layer]
        values = passes.on_cpu(passes.activations(self.layer))
        maps = channels_first(layer, values)
        note = "" if maps.any() else "every activation of this layer is exactly zero"
        return Maps(maps, note, values[: layer.other_tokens].T if layer.other_tokens else None)


@dataclass(frozen=True)
class LayerGradients(Measurement[Maps]):
    """What does a backward pass from a unit, with its own activation map, bring to every unit of a layer?"""

    layer: str
    origin: Unit
    mode: BackwardMode

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return the gradient at the layer."""
        return Needs(gradients=frozenset({self._need}))

    def take(self, passes: Pass) -> Maps:
        """Answer with what arrives at the layer, below its rectifier."""
        maps = channels_first(passes.network.layers[self.layer], passes.on_cpu(passes.unit_gradient(self._need)))
        return Maps(maps, "" if maps.any() else self._why_zero(passes))

    @property
    def _need(self) -> GradientNeed:
        return GradientNeed(self.origin, self.mode, self.layer)

    def _why_zero(self, passes: Pass) -> str:
        network = passes.network
        names = list(network.layers)
        if names.index(network.layers.canonical(self.layer)) > names.index(network.layers.canonical(self.origin.layer)):
            return f"{self.layer} is above the origin {self.origin.layer}: no gradient gets there"
        return why_gradient_is_zero(passes, self.origin)


def why_gradient_is_zero(passes: Pass, origin: Unit) -> str:
    """Say why a backward pass from a unit with its own activation map brings nothing."""
    unit, value = f"{origin.layer}:{origin.channel}", passes.largest(origin)
    if value == 0:
        return f"the gradient is exactly zero: unit {unit} is off"
    is_softmax = passes.network.layers[origin.layer].kind in SOFTMAXES
    why = "the softmax is saturated" if is_softmax else "it is saturated, or nothing gets past the layers below"
    return f"the gradient is exactly zero although {unit} is {value:.3g}: {why}"


def channels_first(layer: Layer, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a layer's values, float32, as maps: (C, H, W) and (C,) as they are; tokens (T, D) as D maps on a grid."""
    if not layer.is_tokens:
        return values
    rows, columns = layer.map_shape
    grid = values[values.shape[0] - rows * columns :]
    return np.ascontiguousarray(grid.T.reshape(-1, rows, columns))
