"""What is taken of each unit's own top photographs: their statistics, and starts from their clusters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.canvas import canvas_of
from deepvis_toolbox.optimize.method.photographs import FEWEST, PhotographStatistics, input_statistics
from deepvis_toolbox.optimize.method.seen_places import SeenPlaces, seen_places
from deepvis_toolbox.optimize.method.starts import ClusterStarts
from deepvis_toolbox.optimize.method.targets import Target, checked_target
from deepvis_toolbox.optimize.method.windows import moved_there
from deepvis_toolbox.optimize.natural.facets import cluster_starts, clusters_of, codes_of
from deepvis_toolbox.optimize.natural.photographs import Photographs
from deepvis_toolbox.words.layer import Rect
from deepvis_toolbox.words.unit import Unit

MOST = 100
"""Top photographs of a unit that count, as far as a scan holds them."""


@dataclass(frozen=True)
class OwnPriors:
    """Settings of each unit's own: its `statistics`, and its starts from so many `clusters` (0: the usual ones).

    Of a unit that sees a part of the image alone, that part of its top photographs counts, moved to the unit's place.
    """

    photographs: Photographs
    statistics: bool = False
    clusters: int = 0

    def check(self, targets: Iterable[Target]) -> None:
        """Raise `ToolboxError`, before any work is done, for a target without top photographs."""
        for target in targets:
            if not isinstance(target, Unit):
                raise ToolboxError(f"top photographs are of units, and {target} is none; leave --maxes out for it")
            if not self.photographs.holds(target.layer):
                raise ToolboxError(
                    f'the scan holds no layer "{target.layer}", so nothing is known of the top photographs of '
                    f"{target}; scan that layer too"
                )

    def settings_for(self, settings: AscentSettings, target: Target) -> AscentSettings:
        """Return a unit's settings. `ToolboxError` where too few of its top photographs can be read."""
        unit = checked_target(target, self.photographs.net)
        assert isinstance(unit, Unit)
        seen = seen_places(self.photographs.net, unit.layer, unit.place)
        placed = {} if seen is None else {"placed": partial(_moved, seen.field)}
        inputs = self.photographs.top_inputs(unit, MOST, **placed)
        if len(inputs) < FEWEST:
            raise ToolboxError(
                f"{unit}: its scan has {len(inputs)} top photographs that can be read; at least {FEWEST} are needed"
            )
        own = settings
        if self.statistics:
            own = replace(own, statistics=self._statistics(inputs, seen, unit, settings))
        if self.clusters:
            own = replace(own, start_at=self._starts(inputs, seen, unit, settings))
        return own

    def _statistics(
        self, inputs: torch.Tensor, seen: SeenPlaces | None, unit: Unit, settings: AscentSettings
    ) -> PhotographStatistics:
        sorted_for = [unit.layer] if settings.sorted_prior else []
        windows = seen.windows if seen is not None else None
        try:
            return input_statistics(self.photographs.net, inputs.split(1), sorted_for, windows)
        except ToolboxError as error:
            raise ToolboxError(f"{unit}, statistics of its top photographs: {error}") from error

    def _starts(
        self, inputs: torch.Tensor, seen: SeenPlaces | None, unit: Unit, settings: AscentSettings
    ) -> ClusterStarts:
        net = self.photographs.net
        clusters = clusters_of(codes_of(net, unit.layer, inputs, seen), self.clusters)
        return cluster_starts(self._pixels(inputs, unit, settings), clusters)

    def _pixels(self, inputs: torch.Tensor, unit: Unit, settings: AscentSettings) -> NDArray[np.float32]:
        """Return the photographs at the size of the image that is made, float32 (N, C, H, W), zero-centred pixels."""
        net = self.photographs.net
        canvas = canvas_of(settings, net.preprocessing)
        if canvas.size == net.preprocessing.size:
            return net.preprocessing.to_pixels(inputs.cpu().numpy())
        return self.photographs.top_pixels(unit, MOST, canvas)


def _moved(here: Rect, x: torch.Tensor, there: Rect) -> torch.Tensor:
    return moved_there(x, there, here)
