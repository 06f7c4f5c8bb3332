"""One look at a batch of images: what its objectives are worth, and which way is up, in pixel units."""

from __future__ import annotations

from collections.abc import Callable

import torch

from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.objective import Objective, Reading, UnitObjective
from deepvis_toolbox.optimize.pixel_space import PixelSpace

Look = Callable[[torch.Tensor, Objective], tuple[Reading, torch.Tensor]]
"""(zero-centred pixels (N, C, H, W), the batch's objectives) -> (reading, gradient (N, C, H, W) by pixels)."""


def look_for(net: Network, objective: Objective, space: PixelSpace) -> Look:
    """The fastest way to look at images with objectives on the same layer and place as `objective`.

    A unit at a place (or of a flat layer) is computed on the part of image and network that it can see; all others on
    the whole image, no further than their layer.
    """
    if not isinstance(objective, UnitObjective) or not _has_one_value(objective):
        return lambda x, batch: _full_look(net, batch, space, x)
    see = net.ascent_pass(objective.layer.name, objective.place)

    def look(x: torch.Tensor, batch: Objective) -> tuple[Reading, torch.Tensor]:
        assert isinstance(batch, UnitObjective)
        seen = see(space.to_network(x), batch.channels)
        gradient = space.gradient(seen.gradient).contiguous()
        reading = batch.read_units(seen.values, seen.below)
        return reading, gradient if batch.direction > 0 else -gradient

    return look


def _has_one_value(objective: UnitObjective) -> bool:
    """Whether the objective is one of the layer's values, and no mean over many."""
    return objective.place is not None or len(objective.layer.shape) == 1


def _full_look(net: Network, batch: Objective, space: PixelSpace, x: torch.Tensor) -> tuple[Reading, torch.Tensor]:
    layer = batch.layer.name
    recording = net.record(space.to_network(x), [layer])
    values, below = recording.activations([layer])[layer], recording.below_rectifier(layer)
    arrived = recording.backward(layer, batch.diff(values, below), "grad", [net.input_name])[net.input_name]
    return batch.read(values, below), space.gradient(arrived).contiguous()
