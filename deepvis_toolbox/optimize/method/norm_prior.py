"""Batch-norm statistics as a prior: an image shall cause the statistics in the layers that photographs caused before.

Source: Yin et al., "Dreaming to distill" (DeepInversion), 2020; here of one picture instead of a batch, with each
channel's mean and deviation in units of the deviation that was learnt.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.norm_statistics import NormStatistics
from deepvis_toolbox.network.recording import Recording
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.objective import Objective
from deepvis_toolbox.optimize.method.targets import sees_whole_image

SMALLEST = 1e-3
"""Added to deviations, so that a channel that hardly varies has no infinite weight."""


class NormPrior:
    """Subtracts from what is climbed `weight` times the distance of the layers' statistics from those learnt.

    The distance is a sum over layers of the mean over channels of ((mean - learnt mean) / learnt deviation)² +
    log(deviation / learnt deviation)². A picture's mean and deviation are over places and all its views.
    """

    def __init__(
        self, statistics: Mapping[str, NormStatistics], weight: float, views: int, device: torch.device
    ) -> None:
        """Take `statistics`: by layer, at least one, in the network's order."""
        self._weight, self._views = weight, views
        self._statistics = {name: _on(each, device) for name, each in statistics.items()}

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers whose statistics count."""
        return tuple(self._statistics)

    def distance(self, recording: Recording) -> torch.Tensor:
        """Return each picture's distance, float32 (M,), for a recording of its views, (M * views, …)."""
        parts = [
            _differences(self._of_pictures(recording.below_rectifier(name)), learnt)
            for name, learnt in self._statistics.items()
        ]
        return torch.stack([(shift.square() + ratio.square()).mean(1) for shift, ratio, *_ in parts]).sum(0)

    def diffs(self, recording: Recording) -> dict[str, torch.Tensor]:
        """Return the derivative of -weight * distance by each layer's values below its rectifier, float32
        (M * views, C, H, W), times the number of views: what is climbed is a mean over them."""
        return {name: self._diff(recording.below_rectifier(name), learnt) for name, learnt in self._statistics.items()}

    def _diff(self, values: torch.Tensor, learnt: NormStatistics) -> torch.Tensor:
        of_pictures = self._of_pictures(values)
        shift, ratio, mean, deviation = _differences(of_pictures, learnt)
        scale = -2 * self._weight / (shift.shape[1] * values[0, 0].numel())
        by_mean, by_value = scale * shift / learnt.deviation, scale * ratio / deviation.square()
        constant = (by_mean - by_value * mean)[:, None, :, None, None]
        return torch.addcmul(constant, by_value[:, None, :, None, None], of_pictures).flatten(0, 1)

    def _of_pictures(self, values: torch.Tensor) -> torch.Tensor:
        """Return (M, views, C, H, W)."""
        return values.unflatten(0, (-1, self._views))


def norm_prior_for(net: Network, objective: Objective, settings: AscentSettings) -> NormPrior | None:
    """Return the prior that the settings ask for: over the layers that the objective's is computed from. Of these the
    first and the last count, and between them those without a rectifier, where there are some, else all.

    None where they ask for none, or nothing lies below with a batch norm; nor for a unit that sees a part of the image
    alone: the statistics are of whole images. Raises `ToolboxError` for a network without batch norms.
    """
    if not settings.norm_prior:
        return None
    if not net.norm_statistics:
        raise ToolboxError(f"norm_prior needs batch norms, and {net.name} shows none; leave it out")
    below = set(net.layers_below(objective.layer.name))
    known = {name: each for name, each in net.norm_statistics.items() if name in below}
    place = getattr(objective, "place", None)
    if not known or not (settings.views or sees_whole_image(net, objective.layer.name, place)):
        return None
    ends = (next(iter(known)), next(reversed(known)))
    plain = {name: each for name, each in known.items() if not each.is_rectified or name in ends}
    chosen = plain if any(not each.is_rectified for each in known.values()) else known
    return NormPrior(chosen, settings.norm_prior, max(1, int(settings.views)), net.device)


def _differences(
    values: torch.Tensor, learnt: NormStatistics
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return of values (M, views, C, H, W) the shift of the mean, the log ratio of the deviation, the mean and the
    deviation, each float32 (M, C)."""
    variance, mean = torch.var_mean(values, dim=(1, 3, 4), correction=0)
    deviation = (variance + SMALLEST**2).sqrt()
    return (mean - learnt.mean) / learnt.deviation, (deviation / learnt.deviation).log(), mean, deviation


def _on(statistics: NormStatistics, device: torch.device) -> NormStatistics:
    mean, deviation, is_rectified = statistics
    return NormStatistics(mean.to(device), deviation.to(device) + SMALLEST, is_rectified)
