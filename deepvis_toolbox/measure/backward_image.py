"""What a backward pass brings to the input picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from deepvis_toolbox.measure.layer_maps import why_gradient_is_zero
from deepvis_toolbox.measure.measurement import Measurement
from deepvis_toolbox.measure.needs import GradientNeed, Needs
from deepvis_toolbox.words.backward import BackwardMode
from deepvis_toolbox.words.unit import Unit

if TYPE_CHECKING:
    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network


@dataclass(frozen=True, eq=False)
class InputGradient:
    """The derivative, or what a mode makes of it, at the network's input."""

    image: NDArray[np.float32]
    """(H, W, channels), per unit of network input: red, green, blue, or what is shown as these, and then the others."""
    note: str = ""
    """Why all of it is zero, or that some values are not finite; empty where there is nothing to say."""

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.image, dtype=dtype, copy=copy)


@dataclass(frozen=True)
class BackwardImage(Measurement[InputGradient]):
    """Where in the picture does a unit's activation come from? The pass starts with the unit's own activation map."""

    belongs_to_picture: ClassVar[bool] = True

    layer: str
    unit: int
    mode: BackwardMode = "grad"

    def needs(self, network: Network) -> Needs:
        """Return the gradient at the input."""
        return Needs(gradients=frozenset({self._need(network)}))

    def take(self, passes: Pass) -> InputGradient:
        """Answer with what arrives at the input."""
        at_input = passes.unit_gradient(self._need(passes.network))
        image = passes.on_cpu(at_input.permute(0, 2, 3, 1))  # as it lies in memory already
        image = passes.network.preprocessing.in_rgb_order(image)
        note = _not_finite(image) if image.any() else why_gradient_is_zero(passes, self.origin)
        return InputGradient(np.ascontiguousarray(image), note)

    @property
    def origin(self) -> Unit:
        """The unit where the backward pass starts."""
        return Unit(self.layer, self.unit)

    def _need(self, network: Network) -> GradientNeed:
        return GradientNeed(self.origin, self.mode, network.input_name)


def _not_finite(values: NDArray[np.float32]) -> str:
    """Say so where values are NaN or infinite; a sum tells quickly that none are."""
    bad = 0 if np.isfinite(values.sum()) else int(values.size - np.isfinite(values).sum())
    return f"{bad} values are not finite" if bad else ""
