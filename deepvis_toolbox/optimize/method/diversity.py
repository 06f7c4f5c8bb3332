"""Diversity: a unit's pictures climb together and away from each other, so that each shows another facet.

Source: Olah, Mordvintsev & Schubert, "Feature Visualization", 2017: the cosine between the Gram matrices of a layer.
"""

from __future__ import annotations

import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.recording import Recording
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.objective import Objective

MOST_UNITS = 512
"""Of the layer: its Gram matrix has the square of that many entries."""
FEWEST_PLACES = 4
"""Of a side of its maps."""
SMALLEST = 1e-12


class Diversity:
    """Subtracts from what is climbed `weight` times the mean cosine of a picture's Gram matrix to the others'."""

    def __init__(self, layer: str, weight: float, views: int) -> None:
        self.layers = (layer,)
        self._weight, self._views = weight, views

    def likeness(self, values: torch.Tensor) -> torch.Tensor:
        """Return each picture's mean cosine to the others, float32 (M,), for its views' values (M * views, C, H, W)."""
        maps = values.flatten(2)
        grams = (maps @ maps.transpose(1, 2)).flatten(1).reshape(-1, self._views, maps.shape[1] ** 2).mean(1)
        unit = grams / grams.norm(dim=1, keepdim=True).clamp_min(SMALLEST)
        cosines = unit @ unit.T
        return (cosines.sum(1) - cosines.diagonal()) / max(1, len(unit) - 1)

    def diffs(self, recording: Recording) -> dict[str, torch.Tensor]:
        """Return the derivative of -weight * likeness, summed over the pictures, by the layer's values below its
        rectifier, float32 (M * views, C, H, W), times the number of views: what is climbed is a mean over them."""
        name = self.layers[0]
        with torch.enable_grad():
            values = recording.below_rectifier(name).detach().clone().requires_grad_()
            climbed = -self._weight * self._views * self.likeness(values).sum()
        (slope,) = torch.autograd.grad(climbed, values)
        return {name: slope}


def diversity_for(net: Network, objective: Objective, settings: AscentSettings) -> Diversity | None:
    """Return the diversity that the settings ask for; None where they ask for none.

    It is in the last convolution below the objective that has places and at most `MOST_UNITS` units. `ToolboxError`
    where there is none.
    """
    if not settings.diversity:
        return None
    below = {name for layer in objective.layers for name in net.layers_below(layer)}
    fitting = [
        layer.name
        for layer in net.layers.values()
        if layer.name in below
        and layer.kind == "conv"
        and layer.is_spatial
        and layer.channels <= MOST_UNITS
        and min(layer.map_shape) >= FEWEST_PLACES
    ]
    if not fitting:
        raise ToolboxError(
            f"diversity compares pictures in a convolution of {FEWEST_PLACES}×{FEWEST_PLACES} places or more, and "
            f"none lies below {objective.layers[-1]}; leave it out"
        )
    return Diversity(fitting[-1], settings.diversity, max(1, int(settings.views)))
