"""The loop: objective, start image, regularizers and step policy composed into one step, on a batch of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from deepvis_toolbox.network.device import widest_float
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.canvas import canvas_of
from deepvis_toolbox.optimize.method.coarse_to_fine import CoarseToFine
from deepvis_toolbox.optimize.method.diversity import diversity_for
from deepvis_toolbox.optimize.method.gradient import ImageGradient, gradient_reader_for
from deepvis_toolbox.optimize.method.journal import Journal
from deepvis_toolbox.optimize.method.later_parameters import GAIN_WINDOW
from deepvis_toolbox.optimize.method.magnitudes import NaturalMagnitudes
from deepvis_toolbox.optimize.method.natural_colours import natural_colours_for
from deepvis_toolbox.optimize.method.norm_prior import norm_prior_for
from deepvis_toolbox.optimize.method.objective import Objective, Reading
from deepvis_toolbox.optimize.method.parametrization import PARAMETRIZATIONS
from deepvis_toolbox.optimize.method.pixel_space import PixelSpace
from deepvis_toolbox.optimize.method.regularizers import active
from deepvis_toolbox.optimize.method.result import Outcome
from deepvis_toolbox.optimize.method.robustness import Robustness
from deepvis_toolbox.optimize.method.sorted_prior import sorted_prior_for
from deepvis_toolbox.optimize.method.starts import ClusterStarts, is_picture
from deepvis_toolbox.optimize.method.step_policies import MomentPolicy, step_policy
from deepvis_toolbox.optimize.method.views import Views

Watch = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], None]
"""Called at every step as watch(step, rows (M,), images (M, C, H, W), objectives (M,)) with the pictures that still
climb. What it is given must not be changed, nor kept without a copy."""


@dataclass(frozen=True)
class _Seen:
    """What one look at the pictures still climbing gave."""

    rows: torch.Tensor
    """(M,): which pictures of the batch they are."""
    x: torch.Tensor
    reading: Reading
    gradient: ImageGradient
    direction: torch.Tensor
    """(M, C, H, W): the way that is steepest under the parametrization; the gradient itself for pixels."""
    progress: torch.Tensor
    """(M,), the device's widest float: how much a step of size 1 gains, to first order."""

    def only(self, mask: torch.Tensor) -> _Seen:
        """Return the pictures where `mask` (M,) is true."""
        rows, x, progress = (each[mask] for each in (self.rows, self.x, self.progress))
        gradient = self.gradient.only(mask)
        direction = gradient.whole if self.is_along_gradient else self.direction[mask]
        return _Seen(rows, x, self.reading.only(mask), gradient, direction, progress)

    @property
    def is_along_gradient(self) -> bool:
        """Whether the direction is the gradient itself, zero where it is zero."""
        return self.direction is self.gradient.whole


class Ascent:
    """x <- r_theta(x + eta * gradient) for a batch of pictures whose objectives lie on one layer."""

    def __init__(self, net: Network, objective: Objective, settings: AscentSettings, seeds: Sequence[int]) -> None:
        """Take `seeds`: one for each picture; they choose the transformations of `robust`, and clusters."""
        self._objective, self._settings, self._seeds = objective, settings, seeds
        canvas = canvas_of(settings, net.preprocessing)
        self._space = PixelSpace(canvas, net.device)
        asked = [made(net, objective, settings) for made in (norm_prior_for, sorted_prior_for, diversity_for)]
        self._look = gradient_reader_for(net, objective, self._space, [each for each in asked if each is not None])
        self._policy = step_policy(settings.lr_policy, settings.lr_params)
        self._regularizers = active(settings.regularizers)
        self._parametrization = PARAMETRIZATIONS[settings.parametrization](canvas, net.device)
        self._robustness = (
            Robustness(settings.robust, seeds, settings.max_iter, net.device) if settings.robust > 0 else None
        )
        self._coarse = CoarseToFine(settings.coarse, canvas.size, settings.max_iter) if settings.coarse else None
        self._views = Views(settings, seeds, net.preprocessing.size, net.device) if settings.views else None
        self._colours = natural_colours_for(net, objective, settings)
        amplitudes = settings.statistics.amplitudes if settings.statistics else None
        self._magnitudes = (
            NaturalMagnitudes(settings.magnitudes, canvas.size, amplitudes, net.device) if settings.magnitudes else None
        )

    def run(self, start: torch.Tensor, watch: Watch | None = None) -> Journal:
        """Climb from `start` (N, C, H, W), zero-centred pixels, on the network's device; it is left as it is."""
        *_, journal = self.climbing(start, watch)
        return journal

    def climbing(self, start: torch.Tensor, watch: Watch | None = None) -> Iterator[Journal]:
        """Do as `run`, step by step: the same journal after every step, whole after the last. May be left at any
        step."""
        x = self._first_image(start)
        rows = torch.arange(len(x), device=x.device)
        journal = Journal(x, self._settings.max_iter, self._settings.push_dir)
        x = x.clone()  # every step writes over the image
        for step in range(self._settings.max_iter):
            seen = self._seen(rows, self._space.clip_(x), step)
            seen = _without(seen, ~_is_finite(seen), "not finite", journal)
            if len(seen.rows):
                journal.enter(step, seen.rows, seen.x, seen.reading)
                if watch:
                    watch(step, seen.rows, seen.x, seen.reading.objective)
                seen = _without(seen, seen.progress == 0, "zero gradient", journal)
                seen = self._without_those_at_rest(seen, journal)
            rows, x = seen.rows, seen.x
            if not len(rows):
                break
            if step < self._settings.max_iter - 1:
                x = self._stepped(seen, step)
                yield journal
        journal.finish(rows, x)
        yield journal

    def _first_image(self, start: torch.Tensor) -> torch.Tensor:
        """Return what is begun with: noise is noise of the parametrization's parameters, a picture is as it is."""
        start_at = self._settings.start_at
        if isinstance(start_at, ClusterStarts):
            pictures = torch.from_numpy(np.stack([start_at.image_of(seed) for seed in self._seeds])).to(start)
            return pictures + self._parametrization.image(start - pictures)
        return start if is_picture(start_at) else self._parametrization.image(start)

    def _seen(self, rows: torch.Tensor, x: torch.Tensor, step: int) -> _Seen:
        """Return one look, through this step's random transformation where there is one."""
        all_of_them = self._objective.count in (None, len(rows))
        objective = self._objective if all_of_them else self._objective.only(rows)
        if self._views is not None:
            reading, gradient = self._seen_through(self._views, rows, x, step)
        elif self._robustness is None:
            reading, gradient = self._look(x, objective)
        else:
            warped, pull_back = self._robustness.warped(x, rows, step)
            reading, gradient_there = self._look(warped, objective)
            gradient = ImageGradient(pull_back(gradient_there.whole))
        direction = self._parametrization.step(gradient.whole)
        return _Seen(rows, x, reading, gradient, direction, _progress(gradient, direction))

    def _seen_through(
        self, views: Views, rows: torch.Tensor, x: torch.Tensor, step: int
    ) -> tuple[Reading, ImageGradient]:
        repeated = rows.repeat_interleave(views.count)
        objective = self._objective if self._objective.count is None else self._objective.only(repeated)
        warped, pull_back = views.warped(x, rows, step)
        reading, gradient = self._look(warped, objective)
        return reading.over_views(views.count), ImageGradient(pull_back(gradient.whole))

    def _without_those_at_rest(self, seen: _Seen, journal: Journal) -> _Seen:
        """Return the pictures whose objective still gains as much as `min_gain` asks for."""
        gained = journal.gained(seen.rows, GAIN_WINDOW) if self._settings.min_gain and len(seen.rows) else None
        return seen if gained is None else _without(seen, gained < self._settings.min_gain, None, journal)

    def _stepped(self, seen: _Seen, step: int) -> torch.Tensor:
        """Return x + lr * gradient, then every regularizer in its order; what was seen may be overwritten."""
        if isinstance(self._policy, MomentPolicy):
            coordinates = self._parametrization.coordinates(seen.gradient.whole)
            change = self._policy.change(coordinates, seen.rows, step) * self._share(step)
            return self._regularized(self._moved(seen, self._parametrization.change(change), step), seen, step)
        size = self._policy.step_size(seen.reading.objective, seen.progress, self._settings.push_dir)
        each_size = (size * self._share(step)).to(seen.x).reshape(-1, 1, 1, 1)
        if seen.is_along_gradient and self._coarse is None:
            x, part_of = seen.x, seen.gradient.part_of
            part_of(x).add_(part_of(seen.direction) * each_size)
        else:
            x = self._moved(seen, seen.direction * each_size, step)
        return self._regularized(x, seen, step)

    def _moved(self, seen: _Seen, change: torch.Tensor, step: int) -> torch.Tensor:
        return seen.x + (change if self._coarse is None else self._coarse.passed(change, step))

    def _share(self, step: int) -> float:
        """Return the part of the step size that is left: from 1 at step 0 evenly to `lr_end` after the last."""
        return 1 - (1 - self._settings.lr_end) * step / self._settings.max_iter

    def _regularized(self, x: torch.Tensor, seen: _Seen, step: int) -> torch.Tensor:
        for regularizer in self._regularizers:
            x = regularizer.apply(x, seen.gradient.whole, step)
        for natural in (self._magnitudes, self._colours):
            x = x if natural is None else natural.applied(x)
        return x


def _progress(gradient: ImageGradient, direction: torch.Tensor) -> torch.Tensor:
    """Return the inner products (N,), in the widest float, in which the squares of tiny gradients do not vanish."""
    part, wide = gradient.part_of(gradient.whole), widest_float(direction.device)
    if direction is gradient.whole:
        return torch.linalg.vector_norm(part.flatten(1), dim=1, dtype=wide).square()
    return (gradient.part_of(direction).to(wide) * part).flatten(1).sum(1)


def _is_finite(seen: _Seen) -> torch.Tensor:
    """Return bool (M,). A sum is finite where all its parts are, and in the widest float those of float32 cannot
    overflow."""
    return (seen.progress + seen.reading.objective + seen.reading.below).isfinite()


def _without(seen: _Seen, ended: torch.Tensor, outcome: Outcome | None, journal: Journal) -> _Seen:
    """Return the pictures that go on; the journal keeps why the others (bool (M,)) do not."""
    if not ended.any():
        return seen
    journal.end(seen.rows[ended], seen.x[ended], outcome)
    return seen.only(~ended)
