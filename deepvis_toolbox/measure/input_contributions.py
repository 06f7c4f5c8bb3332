"""What each place of the picture contributes to a unit: gradient times input; and its mean over repetitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from deepvis_toolbox.measure.backward_image import BackwardImage
from deepvis_toolbox.measure.measurement import Measurement
from deepvis_toolbox.measure.needs import Needs
from deepvis_toolbox.words.backward import BackwardMode
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.images import Floats
from deepvis_toolbox.words.unit import Unit

if TYPE_CHECKING:
    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network

STILL = 0.03
"""Of the picture's range of values: where two pictures differ by less on the average, nothing has moved."""
NOISE = 0.1
"""Standard deviation of the noise, of the picture's range of values (Smilkov et al. 2017 found 10 to 20 % best)."""
MOST_REPETITIONS = 50


@dataclass(frozen=True, eq=False)
class ContributionMap:
    """Gradient times input, place by place."""

    map: Floats
    """(H, W), float32, signed: summed over the input's channels."""
    gradient: Floats
    """(H, W, channels): what arrived at the input, channels in RGB order, per unit of network input."""
    values: Floats
    """(H, W, channels): the picture as network input, in the same order."""
    note: str = ""
    repetitions: int = 0
    """Of how many gradients this is the mean; 0: of none, it is the picture's own."""

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.map, dtype=dtype, copy=copy)


@dataclass(frozen=True)
class InputContributions(Measurement[ContributionMap]):
    """What does each place of the picture contribute to a unit?

    The gradient of `BackwardImage` times the picture as network input (whose zero is the model's mean), summed over
    channels: positive where the picture, as it is there, speaks for the unit.
    """

    belongs_to_picture: ClassVar[bool] = True

    layer: str
    unit: int
    mode: BackwardMode = "grad"

    def needs(self, network: Network) -> Needs:
        """Return the gradient at the input."""
        return self._backward.needs(network)

    def take(self, passes: Pass) -> ContributionMap:
        """Answer with the products' sum; with the gradient's note where it is zero."""
        arrived = self._backward.take(passes)
        values = passes.on_cpu(passes.values.permute(0, 2, 3, 1))
        values = np.ascontiguousarray(passes.network.preprocessing.in_rgb_order(values))
        return ContributionMap(_product(arrived.image, values), arrived.image, values, arrived.note)

    @property
    def origin(self) -> Unit:
        """The unit where the backward pass starts."""
        return Unit(self.layer, self.unit)

    @property
    def _backward(self) -> BackwardImage:
        return BackwardImage(self.layer, self.unit, self.mode)


class AverageContributions:
    """The contributions to a unit, their gradient averaged over repetitions of one picture (SmoothGrad).

    A picture that comes again with the camera's own noise is a repetition; of one that is exactly the same, Gaussian
    noise makes one. A picture that has changed starts anew.
    """

    def __init__(self, network: Network, question: InputContributions, edits: tuple[Edit, ...] = ()) -> None:
        """Take `edits`: those of the passes that the answers come from; repetitions are made with them as well."""
        self.question, self.edits = question, edits
        self._network = network
        self._newest: ContributionMap | None = None
        self._sum: Floats | None = None
        self._count = 0

    @property
    def is_finished(self) -> bool:
        """Whether a picture that is exactly the same would add nothing any more."""
        return self._count >= MOST_REPETITIONS

    def follow(self, newest: ContributionMap) -> ContributionMap:
        """Take in the newest picture's contributions, and return the mean's."""
        last = self._newest
        if last is not None and np.array_equal(last.values, newest.values):
            if not self.is_finished:
                self._add(self._noisy_gradient(newest.values))
        elif last is not None and _have_not_moved(last.values, newest.values):
            self._add(newest.gradient)
        else:
            self._sum, self._count = None, 0
            self._add(newest.gradient)
        self._newest = newest
        assert self._sum is not None
        mean = self._sum / np.float32(self._count)
        return ContributionMap(_product(mean, newest.values), mean, newest.values, newest.note, self._count)

    def _add(self, gradient: Floats) -> None:
        """Add a gradient; the oldest ones fade, so that the mean follows a picture that changes slowly."""
        if self._sum is None:
            self._sum, self._count = gradient.copy(), 1
            return
        if self.is_finished:
            self._sum *= np.float32((MOST_REPETITIONS - 1) / MOST_REPETITIONS)
            self._count = MOST_REPETITIONS - 1
        self._sum, self._count = self._sum + gradient, self._count + 1

    def _noisy_gradient(self, values: Floats) -> Floats:
        """Return the gradient of the picture with noise; the same each time for the same repetition."""
        import torch

        from deepvis_toolbox.measure.passes import Pass

        random = np.random.default_rng(self._count)
        spread = NOISE * float(values.max() - values.min())
        noisy = values + random.normal(0, spread, values.shape).astype(np.float32)
        in_order = np.ascontiguousarray(self._network.preprocessing.in_network_order(noisy).transpose(2, 0, 1))
        given = torch.from_numpy(in_order)[None].to(self._network.device)
        passes = Pass(self._network, np.empty((0, 0, 3), np.uint8), given)
        return self.question.take(passes.edited(self.edits) if self.edits else passes).gradient


def _product(gradient: Floats, values: Floats) -> Floats:
    return np.asarray(np.einsum("hwc,hwc->hw", gradient, values), np.float32)


def _have_not_moved(before: Floats, now: Floats) -> bool:
    if before.shape != now.shape:
        return False
    return float(np.abs(now - before).mean()) < STILL * float(now.max() - now.min())
