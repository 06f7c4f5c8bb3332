"""What a unit looks for in its inputs, without any picture: its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakKeyDictionary

import numpy as np

from deepvis_toolbox.measure.measurement import Measurement
from deepvis_toolbox.measure.where_it_looks import check_unit
from deepvis_toolbox.words.images import Floats
from deepvis_toolbox.words.unit import Unit

if TYPE_CHECKING:
    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network


@dataclass(frozen=True, eq=False)
class Weights:
    """What a unit takes from units below, the largest kernels first."""

    units: tuple[Unit, ...]
    kernels: tuple[Floats, ...]
    """Each (height, width) in the places of the layer below; (1, 1) where there are no places."""
    sizes: Floats
    """(units,): each kernel's Euclidean norm."""
    sums: Floats
    """(units,): the sum of each kernel."""
    layer: str
    """The layer below."""
    through_rectifiers: bool
    """Whether rectifiers lie between, which are taken as open."""


@dataclass(frozen=True)
class UnitWeights(Measurement[Weights]):
    """What does a unit look for in the layer that feeds it?

    The kernel of a convolution or product, with its batch norm; through a pair of a convolution of each channel by
    itself and one of single places, their product ("expanded weights", Voss et al. 2021), rectifiers held open.
    """

    layer: str
    unit: int
    top: int | None = None
    """How many; None: all."""
    compares: ClassVar[bool] = True
    """They are the same whatever is edited or perturbed."""

    def take(self, passes: Pass) -> Weights:
        """Answer with the kernels; `ToolboxError` for the input, and where there is no such product."""
        known = _LAST.get(passes.network)
        if known is None or known[0] != self:
            known = _LAST[passes.network] = self, self._found(passes.network)
        return known[1]

    def _found(self, network: Network) -> Weights:
        check_unit(network, self.layer, self.unit)
        below, values, rectified = network.weights_of(self.layer, self.unit)
        kernels = _cut(values.to("cpu").numpy().astype(np.float32))
        flat = kernels.reshape(len(kernels), -1)
        sizes = np.sqrt((flat.astype(np.float64) ** 2).sum(1)).astype(np.float32)
        order = np.argsort(-sizes, kind="stable")[: self.top]
        return Weights(
            tuple(Unit(below, int(unit)) for unit in order),
            tuple(kernels[order]),
            sizes[order],
            flat.sum(1)[order],
            below,
            rectified,
        )


_LAST: WeakKeyDictionary[Network, tuple[UnitWeights, Weights]] = WeakKeyDictionary()
"""The last answer of each network: it is the same for every picture."""


def _cut(values: Floats) -> Floats:
    """Return weights (C, H, W) or (C,) as kernels, (C, h, w): the places of which any unit's value is taken; those
    which all count the same (a mean) as one."""
    if values.ndim == 1:
        return values[:, None, None]
    used = np.argwhere(values.any(0))
    if not len(used):
        return np.zeros((len(values), 1, 1), np.float32)
    (top, left), (bottom, right) = used.min(0), used.max(0) + 1
    kernels = values[:, top:bottom, left:right]
    if kernels[0].size > 1 and np.ptp(kernels, axis=(1, 2)).max() <= 1e-6 * np.abs(kernels).max():
        return np.asarray(kernels.sum((1, 2), keepdims=True), np.float32)
    return kernels
