"""One look at a batch of images: what its objectives are worth, and which way is up, in pixel units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import torch

from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.recording import Recording
from deepvis_toolbox.optimize.method.objective import LayerObjective, Objective, Reading, UnitObjective
from deepvis_toolbox.optimize.method.pixel_space import PixelSpace
from deepvis_toolbox.optimize.method.sum_objective import SumObjective, added
from deepvis_toolbox.words.layer import Rect


class Prior(Protocol):
    """What is subtracted from what is climbed, as a function of layers' values."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers, in the network's order."""

    def diffs(self, recording: Recording) -> dict[str, torch.Tensor]:
        """Return, by layer, the derivative of what is added by the values below its rectifier, float32 (N, …)."""


class ImageGradient(NamedTuple):
    """By the pixels of images (N, C, H, W)."""

    whole: torch.Tensor
    """(N, C, H, W); valid until the next look."""
    region: Rect | None = None
    """It is zero outside; None: it may be anything anywhere."""

    def part_of(self, images: torch.Tensor) -> torch.Tensor:
        """Return the region's part of images, float32 (N, C, H, W): a view."""
        if self.region is None:
            return images
        top, left, bottom, right = self.region
        return images[:, :, top:bottom, left:right]

    def only(self, mask: torch.Tensor) -> ImageGradient:
        """Return the gradient of the pictures where `mask`, bool (N,), is true."""
        return ImageGradient(self.whole[mask], self.region)


GradientReader = Callable[[torch.Tensor, Objective], tuple[Reading, ImageGradient]]
"""(zero-centred pixels (N, C, H, W), the batch's objectives) -> (reading, gradient)."""


def gradient_reader_for(
    net: Network, objective: Objective, space: PixelSpace, priors: Sequence[Prior] = ()
) -> GradientReader:
    """Return the fastest way to look at images with objectives on the same layers and places as `objective`.

    A unit at a place (or of a flat layer) is computed on the part of image and network that it can see; all others, and
    all with `priors`, on the whole image, no further than their layer.
    """
    if priors:
        return _LookWithPriors(net, objective, space, priors)
    if isinstance(objective, UnitObjective) and objective.is_one_value:
        return _LookBelow(_UnitLook(net, objective, space), net, objective, space)
    if isinstance(objective, SumObjective):
        return _LookAtSum(net, objective, space)
    assert isinstance(objective, LayerObjective)
    return _LookBelow(lambda x, batch: _full_look(net, batch, space, x), net, objective, space)


class _LookBelow:
    """Looks again, below the rectifiers that are off, at pictures whose gradient is exactly zero."""

    def __init__(self, look: GradientReader, net: Network, objective: LayerObjective, space: PixelSpace) -> None:
        self._look, self._space = look, space
        self._opened = net.opened_rectifiers(objective.layer.name)

    def __call__(self, x: torch.Tensor, batch: Objective) -> tuple[Reading, ImageGradient]:
        reading, gradient = self._look(x, batch)
        rows = (~gradient.part_of(gradient.whole).flatten(1).any(1)).nonzero()[:, 0]
        if not len(rows):
            return reading, gradient
        objective = batch.only(rows)
        assert isinstance(objective, LayerObjective)
        seen = self._opened(self._space.to_network(x[rows]), objective.diff)
        gradient.part_of(gradient.whole)[rows] = gradient.part_of(self._space.gradient(seen.gradient))
        if objective.is_of_units:
            reading = reading.ranked_by(objective.read(seen.values, seen.below), rows)
        return reading, gradient


class _UnitLook:
    """Nothing is computed, and no pixel converted, outside the part of the image that the units see."""

    def __init__(self, net: Network, objective: UnitObjective, space: PixelSpace) -> None:
        self._see = net.ascent_pass(objective.layer.name, objective.place)
        self._space = space
        self._whole: torch.Tensor | None = None

    def __call__(self, x: torch.Tensor, batch: Objective) -> tuple[Reading, ImageGradient]:
        assert isinstance(batch, UnitObjective)
        seen = self._see.on_part(self._space.to_network(self._see.part_of(x)), batch.channels)
        part = self._space.gradient(seen.gradient)
        part = part if batch.direction > 0 else -part
        return batch.read_units(seen.values, seen.below), self._embedded(part, x)

    def _embedded(self, part: torch.Tensor, x: torch.Tensor) -> ImageGradient:
        if self._see.region is None:
            return ImageGradient(part.contiguous())
        if self._whole is None or self._whole.shape != x.shape:
            self._whole = torch.zeros_like(x)  # and outside the region it stays so
        self._see.part_of(self._whole).copy_(part)
        return ImageGradient(self._whole, self._see.region)


class _LookAtSum:
    """Looks at all terms in one backward pass; where that gradient is exactly zero, at each term by itself, below the
    rectifiers that are off."""

    def __init__(self, net: Network, objective: SumObjective, space: PixelSpace) -> None:
        self._net, self._space = net, space
        self._terms = [(factor, gradient_reader_for(net, part, space)) for factor, part in objective.parts]

    def __call__(self, x: torch.Tensor, batch: Objective) -> tuple[Reading, ImageGradient]:
        assert isinstance(batch, SumObjective)
        reading, gradient = _full_look(self._net, batch, self._space, x)
        rows = (~gradient.whole.flatten(1).any(1)).nonzero()[:, 0]
        if len(rows):
            seen = (
                factor * look(x[rows], part)[1].whole
                for (factor, look), (_, part) in zip(self._terms, batch.parts, strict=True)
            )
            gradient.whole[rows] = torch.stack(list(seen)).sum(0)
        return reading, gradient


class _LookWithPriors:
    """Climbs the objective and the priors in one backward pass, but for pictures whose objective's own gradient is
    exactly zero: these climb as without a prior, below the rectifiers that are off."""

    def __init__(self, net: Network, objective: Objective, space: PixelSpace, priors: Sequence[Prior]) -> None:
        self._net, self._space, self._priors = net, space, priors
        order = list(net.layers)
        self._highest = max((name for prior in priors for name in prior.layers), key=order.index)
        self._alone = gradient_reader_for(net, objective, space)

    def __call__(self, x: torch.Tensor, batch: Objective) -> tuple[Reading, ImageGradient]:
        recording = self._net.record(self._space.to_network(x), batch.layers)
        reading, diffs = batch.look(recording)
        whole = diffs
        for prior in self._priors:
            whole = added(whole, prior.diffs(recording))
        arrived = recording.gradient_of_sum(whole)
        gradient = self._space.gradient(arrived).contiguous()
        rows = (~self._climbs(recording, diffs)).nonzero()[:, 0]
        if len(rows):
            opened, own = self._alone(x[rows], batch.only(rows))
            gradient[rows], reading = own.whole, reading.ranked_by(opened, rows)
        return reading, ImageGradient(gradient)

    def _climbs(self, recording: Recording, diffs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return bool (N,): whether the objective's own gradient is not zero, of one layer where the priors' highest is
        reached, of several at the image."""
        if len(diffs) > 1:
            return recording.gradient_of_sum(diffs).flatten(1).any(1)
        ((layer, diff),) = diffs.items()
        return recording.backward(layer, diff, "grad", [self._highest])[self._highest].flatten(1).any(1)


def _full_look(net: Network, batch: Objective, space: PixelSpace, x: torch.Tensor) -> tuple[Reading, ImageGradient]:
    recording = net.record(space.to_network(x), batch.layers)
    reading, diffs = batch.look(recording)
    if len(diffs) > 1:
        arrived = recording.gradient_of_sum(diffs)
    else:
        ((layer, diff),) = diffs.items()
        arrived = recording.backward(layer, diff, "grad", [net.input_name])[net.input_name]
    return reading, ImageGradient(space.gradient(arrived).contiguous())
