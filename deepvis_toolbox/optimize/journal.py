"""What is written down of a batch at every step, on the network's device, and the results made of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.network.device import widest_float
from deepvis_toolbox.optimize.objective import Reading
from deepvis_toolbox.optimize.result import AscentResult, Outcome
from deepvis_toolbox.optimize.targets import Target

_TRACES = {
    "objective": torch.float32,
    "below": torch.float32,
    "largest": torch.int64,
    "is_max": torch.bool,
    "norm": torch.float32,
    "distance": torch.float32,
    "std": torch.float32,
}


class Journal:
    """Traces, best, last and majority images of N pictures. `rows` are the pictures still climbing, by their index."""

    def __init__(self, start: torch.Tensor, steps: int, direction: int) -> None:
        """`start`: (N, C, H, W), zero-centred pixels, as drawn."""
        count, device = len(start), start.device
        self._start, self._direction = start, direction
        self._traces = {
            name: torch.zeros((steps, count), dtype=dtype, device=device) for name, dtype in _TRACES.items()
        }
        self._best, self._last, self._majority = start.clone(), start.clone(), start.clone()
        self._best_objective = torch.full((count,), -torch.inf, device=device)
        self._best_below = self._best_objective.clone()
        self._best_step = torch.full((count,), -1, device=device)
        self._became_max = torch.zeros(count, dtype=torch.bool, device=device)
        self._steps = torch.zeros(count, dtype=torch.int64, device=device)
        self._ended: dict[int, Outcome] = {}

    def enter(self, step: int, rows: torch.Tensor, x: torch.Tensor, reading: Reading) -> None:
        """Writes down what was seen at a step: `x` (M, C, H, W) for pictures `rows` (M,)."""
        flat = x.flatten(1)
        norm = torch.linalg.vector_norm(flat, dim=1)
        entries = {
            "objective": reading.objective,
            "below": reading.below,
            "largest": reading.largest,
            "is_max": reading.is_max,
            "norm": norm,
            "distance": torch.linalg.vector_norm(flat - self._of(self._start, rows).flatten(1), dim=1),
            "std": _standard_deviation(norm, flat),
        }
        for name, entry in entries.items():
            self._traces[name][step, rows] = entry.to(_TRACES[name])
        self._steps[rows] = step + 1
        self._keep_best(step, rows, x, reading)
        self._keep_first_majority(rows, x, reading.is_max)

    def end(self, rows: torch.Tensor, x: torch.Tensor, outcome: Outcome) -> None:
        """Pictures `rows` (M,) climb no further, for this reason; `x` (M, C, H, W) are their last images.

        Where an image is not finite itself, the best one before it counts as its last.
        """
        finite = x.flatten(1).isfinite().all(1).reshape(-1, 1, 1, 1)
        self._last[rows] = torch.where(finite, x, self._best[rows])
        self._ended.update(dict.fromkeys(rows.tolist(), outcome))

    def finish(self, rows: torch.Tensor, x: torch.Tensor) -> None:
        """The pictures that got through all steps."""
        self._last[rows] = x

    def results(self, targets: Sequence[Target], seeds: Sequence[int]) -> list[AscentResult]:
        """One result for each picture, in order."""
        traces = {name: trace.cpu().numpy() for name, trace in self._traces.items()}
        best, last, majority = (_as_images(kept) for kept in (self._best, self._last, self._majority))
        steps, best_step = self._steps.tolist(), self._best_step.tolist()
        became_max = self._became_max.tolist()
        return [
            AscentResult(
                unit=target,
                seed=seed,
                best=best[index],
                last=last[index],
                majority=majority[index] if became_max[index] else None,
                best_step=best_step[index],
                outcome=self._ended.get(index, "majority" if became_max[index] else "no majority"),
                **{name: np.ascontiguousarray(trace[: steps[index], index]) for name, trace in traces.items()},
            )
            for index, (target, seed) in enumerate(zip(targets, seeds, strict=True))
        ]

    def _keep_best(self, step: int, rows: torch.Tensor, x: torch.Tensor, reading: Reading) -> None:
        """Equal objectives are ranked by the value below the rectifier; of equal images the first is kept."""
        objective, below = reading.objective * self._direction, reading.below * self._direction
        known, known_below = self._best_objective[rows], self._best_below[rows]
        better = (objective > known) | ((objective == known) & (below > known_below))
        chosen = rows[better]
        if len(chosen):
            if len(chosen) == len(self._best):
                self._best = x  # nobody changes it any more
            else:
                self._best[chosen] = x if len(chosen) == len(x) else x[better]
            self._best_objective[chosen], self._best_below[chosen] = objective[better], below[better]
            self._best_step[chosen] = step

    def _keep_first_majority(self, rows: torch.Tensor, x: torch.Tensor, is_max: torch.Tensor) -> None:
        first = is_max & ~self._became_max[rows]
        if first.any():
            self._majority[rows[first]] = x[first]
            self._became_max[rows[first]] = True

    def _of(self, images: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The images of some pictures, without a copy where it is all of them."""
        return images if len(rows) == len(images) else images[rows]


def _standard_deviation(norm: torch.Tensor, flat: torch.Tensor) -> torch.Tensor:
    """Of the values of each row, from its norm: on a CPU many times faster than torch's own."""
    wide_norm, wide_mean = (each.to(widest_float(flat.device)) for each in (norm, flat.mean(1)))
    variance = wide_norm.square() / flat.shape[1] - wide_mean.square()
    return variance.clamp_min(0).sqrt()


def _as_images(images: torch.Tensor) -> NDArray[np.float32]:
    return images.cpu().numpy()
