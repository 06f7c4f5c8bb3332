"""Sorted values as a prior: each unit of the layers below shall take the values that it takes on photographs.

Source: Görgün, Schiele & Fischer, "VITAL: more understandable feature visualization through distribution alignment and
relevant information flow", 2025. Values are matched in the order of their size, wherever they lie: between two samples
of equally many numbers, that is the optimal transport for squared distances. Here each unit counts in units of its
deviation on the photographs.
"""

from __future__ import annotations

import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.recording import Recording
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.held_layers import HeldLayers, held_names
from deepvis_toolbox.optimize.method.norm_prior import SMALLEST, may_be_held
from deepvis_toolbox.optimize.method.objective import Objective
from deepvis_toolbox.optimize.method.photographs import PhotographStatistics


class SortedPrior:
    """Subtracts from what is climbed `weight` times the distance of the layers' sorted values from photographs'.

    The distance is a sum over layers of the root of the mean over channels and places of ((value - photographs' value
    of the same rank) / deviation)². A picture's values are those of all places and views.
    """

    def __init__(
        self,
        statistics: PhotographStatistics,
        names: list[str],
        weight: float,
        views: int,
        device: torch.device,
    ) -> None:
        """Take `names`: the layers that count, at least one, in the network's order, whose sorted values are known."""
        self._weight = weight
        self._held = HeldLayers(names, views, statistics.windows)
        self._wanted = {name: statistics.sorted_values[name].T.repeat_interleave(views, 0).to(device) for name in names}
        self._deviation = {name: statistics.layers[name].deviation.to(device) + SMALLEST for name in names}

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers whose values count."""
        return self._held.names

    def distance(self, recording: Recording) -> torch.Tensor:
        """Return each picture's distance, float32 (M,), for a recording of its views, (M * views, …)."""
        return torch.stack([self._off(recording, name)[1] for name in self.layers]).sum(0)

    def diffs(self, recording: Recording) -> dict[str, torch.Tensor]:
        """Return the derivative of -weight * distance by each layer's values below its rectifier, float32
        (M * views, C, H, W), times the number of views: what is climbed is a mean over them."""
        return {name: self._held.as_maps(self._diff(recording, name), recording, name) for name in self.layers}

    def _diff(self, recording: Recording, name: str) -> torch.Tensor:
        off, distance, order = self._off(recording, name)
        scale = -self._weight * self._held.views / (off[0].numel() * distance)
        by_rank = off.div_(self._deviation[name]).mul_(scale[:, None, None])
        return torch.empty_like(by_rank).scatter_(1, order, by_rank)

    def _off(self, recording: Recording, name: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return how far the sorted values are off, in deviations, float32 (M, P, C); each picture's distance in this
        layer, float32 (M,); and the values' places in order, int64 (M, P, C)."""
        values, order = self._held.of_pictures(recording, name).sort(1)
        off = values.sub_(self._wanted[name]).div_(self._deviation[name])
        return off, off.square().mean((1, 2)).add(SMALLEST**2).sqrt(), order


def sorted_prior_for(net: Network, objective: Objective, settings: AscentSettings) -> SortedPrior | None:
    """Return the prior that the settings ask for, over the layers of `held_names`.

    None where they ask for none, or nothing with known values lies below; nor for a unit that sees a part of the image
    alone where the values are of whole images. Raises `ToolboxError` without photographs' sorted values of these
    layers.
    """
    if not settings.sorted_prior:
        return None
    own = settings.statistics
    if own is None or not own.sorted_values:
        raise ToolboxError(
            "sorted_prior needs photographs, whose sorted values a picture is held to; give --statistics FOLDER, or "
            "--statistics top with --maxes SCAN"
        )
    names = held_names(net, objective.layers, {name: each.is_rectified for name, each in own.layers.items()})
    if not names or not may_be_held(net, objective, settings):
        return None
    if missing := [name for name in names if name not in own.sorted_values]:
        raise ToolboxError(
            f"these statistics hold no sorted values of {missing[0]}; make them with sorted_for={[*objective.layers]}"
        )
    return SortedPrior(own, names, settings.sorted_prior, max(1, int(settings.views)), net.device)
