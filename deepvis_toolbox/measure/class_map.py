"""Which class a network that gives classes at every place sees where: segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.measure.measurement import Measurement
from deepvis_toolbox.measure.needs import Needs
from deepvis_toolbox.words.images import Floats

if TYPE_CHECKING:
    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network

NO_CLASS = -1


@dataclass(frozen=True, eq=False)
class ClassesAtPlaces:
    """The likeliest class of each place."""

    map: NDArray[np.int32]
    """(rows, columns), units of the layer; -1: none, where the layer has one class and that is not there, or its values
    are no numbers."""
    shares: Floats
    """(classes,): which part of the places each has."""
    layer: str

    def largest(self, count: int) -> list[int]:
        """Return the classes that are somewhere, those of the most places first."""
        order = np.argsort(-self.shares, kind="stable")[:count]
        return [int(each) for each in order if self.shares[each] > 0]


@dataclass(frozen=True)
class ClassMap(Measurement[ClassesAtPlaces]):
    """Which class is where in the picture? Of one class alone: where it is likelier than not."""

    layer: str

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return the layer."""
        return Needs(frozenset({self.layer}))

    def take(self, passes: Pass) -> ClassesAtPlaces:
        """Answer with the classes; `ToolboxError` where the layer has no maps."""
        layer = passes.network.layers[passes.network.layers.canonical(self.layer)]
        if not layer.is_spatial:
            raise ToolboxError(f'layer "{layer.name}" has no classes at places: its shape is {layer.shape}')
        values = passes.on_cpu(passes.activations(self.layer))
        are_numbers = np.isfinite(values).all(0)
        if len(values) == 1:
            found = np.where(values[0] > (0.5 if layer.kind == "sigmoid" else 0), 0, NO_CLASS)
        else:
            found = np.where(are_numbers, np.nan_to_num(values).argmax(0), NO_CLASS)
        counts = np.bincount(found[found >= 0], minlength=len(values))
        return ClassesAtPlaces(found.astype(np.int32), (counts / found.size).astype(np.float32), layer.name)
