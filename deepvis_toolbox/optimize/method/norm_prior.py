"""Statistics as a prior: an image shall cause the statistics in the layers that photographs caused.

Those that batch norms learnt, or of photographs at hand. Source: Yin et al., "Dreaming to distill" (DeepInversion),
2020; here of one picture instead of a batch, with each channel's mean and deviation in units of the deviation that was
learnt.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.norm_statistics import NormStatistics
from deepvis_toolbox.network.recording import Recording
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.held_layers import HeldLayers, held_names
from deepvis_toolbox.optimize.method.objective import Objective
from deepvis_toolbox.optimize.method.targets import sees_whole_image
from deepvis_toolbox.words.layer import Rect

SMALLEST = 1e-3
"""Added to deviations, so that a channel that hardly varies has no infinite weight."""


class NormPrior:
    """Subtracts from what is climbed `weight` times the distance of the layers' statistics from those learnt.

    The distance is a sum over layers of the root of the mean over channels of ((mean - learnt mean) / learnt
    deviation)² + log(deviation / learnt deviation)². A picture's mean and deviation are over places and all its views.
    """

    def __init__(
        self,
        statistics: Mapping[str, NormStatistics],
        weight: float,
        views: int,
        device: torch.device,
        windows: Mapping[str, Rect] | None = None,
    ) -> None:
        """Take `statistics`: by layer, at least one, in the network's order. `windows`: as `HeldLayers`."""
        self._weight = weight
        self._held = HeldLayers(statistics, views, windows)
        self._statistics = {name: _on(each, device) for name, each in statistics.items()}

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers whose statistics count."""
        return self._held.names

    def distance(self, recording: Recording) -> torch.Tensor:
        """Return each picture's distance, float32 (M,), for a recording of its views, (M * views, …)."""
        found = (_Shift(self._held.of_pictures(recording, name), learnt) for name, learnt in self._statistics.items())
        return torch.stack([shift.distance for shift in found]).sum(0)

    def diffs(self, recording: Recording) -> dict[str, torch.Tensor]:
        """Return the derivative of -weight * distance by each layer's values below its rectifier, float32
        (M * views, C, H, W), times the number of views: what is climbed is a mean over them."""
        return {name: self._diff(recording, name, learnt) for name, learnt in self._statistics.items()}

    def _diff(self, recording: Recording, name: str, learnt: NormStatistics) -> torch.Tensor:
        shift = _Shift(self._held.of_pictures(recording, name), learnt)
        by_value = shift.derivative().mul_(-self._weight * self._held.views)
        return self._held.as_maps(by_value, recording, name)


def norm_prior_for(net: Network, objective: Objective, settings: AscentSettings) -> NormPrior | None:
    """Return the prior that the settings ask for, over the layers of `held_names`.

    None where they ask for none, or nothing lies below with a batch norm; nor for a unit that sees a part of the image
    alone where the statistics are of whole images. Raises `ToolboxError` for a network without batch norms.
    """
    if not settings.norm_prior:
        return None
    own = settings.statistics
    statistics = net.norm_statistics if own is None else own.layers
    if not statistics:
        raise ToolboxError(
            f"norm_prior needs batch norms, and {net.name} shows none; leave it out, or give --statistics FOLDER, "
            "photographs whose statistics take their place"
        )
    names = held_names(net, objective.layers, {name: each.is_rectified for name, each in statistics.items()})
    if not names or not may_be_held(net, objective, settings):
        return None
    chosen = {name: statistics[name] for name in names}
    windows = own.windows if own is not None else None
    return NormPrior(chosen, settings.norm_prior, max(1, int(settings.views)), net.device, windows)


def may_be_held(net: Network, objective: Objective, settings: AscentSettings) -> bool:
    """Return whether statistics tell anything of what the objective sees: of whole images, where it sees all of the
    image; a unit's own, of the places that it sees."""
    if settings.views or (settings.statistics is not None and settings.statistics.windows):
        return True
    return sees_whole_image(net, objective.layers[-1], getattr(objective, "place", None))


class _Shift:
    """How far the statistics of a layer's values, float32 (M, P, C), are from those learnt."""

    def __init__(self, values: torch.Tensor, learnt: NormStatistics) -> None:
        mean = values.mean(1)
        self._centred = values - mean[:, None]  # many times faster than torch's own variance of channels-last values
        self._variance = self._centred.square().mean(1) + SMALLEST**2
        self._learnt = learnt.deviation
        self._shift = (mean - learnt.mean) / learnt.deviation
        self._ratio = self._variance.log() / 2 - learnt.deviation.log()
        self.distance = (self._shift.square() + self._ratio.square()).mean(1).add(SMALLEST**2).sqrt()
        """float32 (M,)."""

    def derivative(self) -> torch.Tensor:
        """Return the derivative of the distance by the values, float32 (M, P, C)."""
        _, places, channels = self._centred.shape
        scale = 1 / (self.distance[:, None] * (channels * places))
        by_mean, by_value = scale * self._shift / self._learnt, scale * self._ratio / self._variance
        return self._centred.mul_(by_value[:, None]).add_(by_mean[:, None])


def _on(statistics: NormStatistics, device: torch.device) -> NormStatistics:
    mean, deviation, is_rectified = statistics
    return NormStatistics(mean.to(device), deviation.to(device) + SMALLEST, is_rectified)
