"""A unit's preferred image in few steps, kept in memory alone: of a network whose weights will soon be others."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import torch

from deepvis_toolbox.errors import ToolboxError, sentence_of
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.files.presets import default_settings
from deepvis_toolbox.optimize.files.shown_image import shown
from deepvis_toolbox.optimize.method.ascent import Ascent
from deepvis_toolbox.optimize.method.canvas import canvas_of
from deepvis_toolbox.optimize.method.starts import start_image
from deepvis_toolbox.optimize.method.targets import checked_target, objective_of
from deepvis_toolbox.unit_images.growth import Growth
from deepvis_toolbox.words.unit import Unit

_log = logging.getLogger(__name__)

STEPS, SEED = 60, 0


class Sketches:
    """Climbs with the default settings, but no further than `STEPS`; the same start each time, so that what differs
    from one network to the next is the network. Each other unit begins anew. For one thread."""

    def __init__(self, network: Network, steps: int = STEPS) -> None:
        self._network, self._most = network, steps
        self._growth: Growth | None = None
        self._climb: Iterator[object] | None = None

    def advance(self, unit: Unit) -> None:
        """Take one step; nothing where all are taken. What fails is told by `growth`, not raised."""
        if self._growth is None or self._growth.unit != unit:
            self._growth, self._climb = Growth(unit, None, "beginning …"), None
        if self._growth.done:
            return
        try:
            self._climb = self._climb or self._begin(unit)
            if next(self._climb, None) is None:
                self._growth = replace(self._growth, done=True)
        except ToolboxError as error:
            self._growth = Growth(unit, None, str(error), done=True)
        except Exception as error:  # whoever calls goes on with other things
            _log.exception("a picture of %s", unit)
            self._growth = Growth(unit, None, sentence_of(error), done=True)

    def is_done(self, unit: Unit) -> bool:
        """Return whether all steps are taken."""
        return self._growth is not None and self._growth.unit == unit and self._growth.done

    def growth(self, unit: Unit) -> Growth:
        """Return how far the picture is."""
        if self._growth is None or self._growth.unit != unit:
            return Growth(unit, None, "beginning …")
        return self._growth

    def _begin(self, unit: Unit) -> Iterator[object]:
        network, target = self._network, checked_target(unit, self._network)
        settings = default_settings(network, target)
        settings = replace(settings, max_iter=min(self._most, settings.max_iter))
        ascent = Ascent(network, objective_of([target], network, settings), settings, [SEED])
        start = start_image(settings.start_at, SEED, canvas_of(settings, network.preprocessing))

        def watch(step: int, rows: torch.Tensor, x: torch.Tensor, objectives: torch.Tensor) -> None:  # noqa: ARG001
            picture = shown(network, target, settings, x[0].detach().cpu().numpy())
            self._growth = Growth(unit, picture, f"step {step + 1} of {settings.max_iter}")

        return iter(ascent.climbing(torch.from_numpy(start)[None].to(network.device), watch))
