"""The network's classes for an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.measure.measurement import Measurement, Needs

if TYPE_CHECKING:
    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network


@dataclass(frozen=True, eq=False)
class Probabilities:
    """How likely each class is."""

    probabilities: NDArray[np.float32]
    """(classes,), each 0 to 1."""

    def best(self, count: int) -> list[int]:
        """Return the likeliest classes' numbers, likeliest first; what is not finite counts as 0."""
        finite = np.nan_to_num(self.probabilities, posinf=0.0, neginf=0.0)
        return np.argsort(-finite, kind="stable")[:count].tolist()

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.probabilities, dtype=dtype, copy=copy)


@dataclass(frozen=True)
class ClassProbabilities(Measurement[Probabilities]):
    """What is in the picture, says the network? The softmax of its last label layer where it has none itself."""

    def needs(self, network: Network) -> Needs:
        """Return the probability layer, where there is one."""
        name = network.probability_layer
        return Needs(frozenset({name} if name else ()))

    def take(self, passes: Pass) -> Probabilities:
        """Answer with the probabilities; `ToolboxError` where the network has no label layer."""
        name = passes.network.probability_layer
        if name is None:
            raise ToolboxError(f"{passes.network.name} has no label layer: no layer's units are classes")
        return Probabilities(passes.on_cpu(passes.network.probabilities(passes.activations(name))))
