"""What is written down of a batch at every step, on the network's device, and the results made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.optimize.method.objective import Reading
from deepvis_toolbox.optimize.method.result import AscentResult, Outcome
from deepvis_toolbox.optimize.method.targets import Target

Trace = NDArray[np.float32]
"""float32 (N,): a number for each picture, at one step."""
ROUNDING = 1e-6
"""Of the values' size: whose best is no more than that above its first has gained nothing but rounding."""
_TRACES = {
    "objective": torch.float32,
    "below": torch.float32,
    "largest": torch.int64,
    "is_max": torch.bool,
    "norm": torch.float32,
    "distance": torch.float32,
    "mean": torch.float32,
}


class Journal:
    """Traces, best, last and majority images of N pictures. `rows` are the pictures still climbing, by their index."""

    def __init__(self, start: torch.Tensor, steps: int, direction: int) -> None:
        """Take `start`: (N, C, H, W), zero-centred pixels, as drawn."""
        count, device = len(start), start.device
        self._start, self._direction = start, direction
        self._traces = {
            name: torch.zeros((steps, count), dtype=dtype, device=device) for name, dtype in _TRACES.items()
        }
        self._best, self._last, self._majority = start.clone(), start.clone(), start.clone()
        self._difference = torch.empty_like(start.flatten(1))  # the same memory at every step
        self._best_objective = torch.full((count,), -torch.inf, device=device)
        self._best_below = self._best_objective.clone()
        self._best_step = torch.full((count,), -1, device=device)
        self._became_max = torch.zeros(count, dtype=torch.bool, device=device)
        self._entered = 0  # steps written down
        self._ended: dict[int, tuple[Outcome | None, int]] = {}  # why a picture climbs no further; its steps

    def enter(self, step: int, rows: torch.Tensor, x: torch.Tensor, reading: Reading) -> None:
        """Write down what was seen at a step: `x`, float32 (M, C, H, W), for the pictures `rows`, int64 (M,)."""
        flat, start = x.flatten(1), self._of(self._start, rows).flatten(1)
        difference = torch.sub(flat, start, out=self._difference[: len(flat)])
        entries = {
            "objective": reading.objective,
            "below": reading.below,
            "largest": reading.largest,
            "is_max": reading.is_max,
            "norm": torch.linalg.vector_norm(flat, dim=1),
            "distance": torch.linalg.vector_norm(difference, dim=1),
            "mean": flat.mean(1),
        }
        where = step if len(rows) == len(self._start) else (step, rows)
        for name, entry in entries.items():
            self._traces[name][where] = entry
        self._entered = step + 1
        self._keep_best(step, rows, x, reading)
        self._keep_first_majority(rows, x, reading.is_max)

    def gained(self, rows: torch.Tensor, steps: int) -> torch.Tensor | None:
        """Return by how much the best objective of the pictures `rows`, int64 (M,), has gained in the last `steps`:
        float32 (M,); None where fewer were taken."""
        if self._entered <= steps:
            return None
        seen = self._traces["objective"][: self._entered, rows] * self._direction
        return seen.amax(0) - seen[:-steps].amax(0)

    def end(self, rows: torch.Tensor, x: torch.Tensor, outcome: Outcome | None) -> None:
        """Pictures `rows` (M,) climb no further, for this reason, or (None) since they are far enough.

        `x`, float32 (M, C, H, W), are their last images.

        Where an image is not finite itself, the best one before it counts as its last.
        """
        finite = x.flatten(1).isfinite().all(1).reshape(-1, 1, 1, 1)
        self._last[rows] = torch.where(finite, x, self._best[rows])
        self._ended.update(dict.fromkeys(rows.tolist(), (outcome, self._entered)))

    def finish(self, rows: torch.Tensor, x: torch.Tensor) -> None:
        """Note the last images, `x`, float32 (M, C, H, W), of the pictures `rows`, int64 (M,), that got to the end."""
        self._last[rows] = x

    def results(self, targets: Sequence[Target], seeds: Sequence[int]) -> list[AscentResult]:
        """Return one result for each picture, in order."""
        traces = {name: trace.cpu().numpy() for name, trace in self._traces.items()}
        traces["std"] = _standard_deviation(traces["norm"], traces.pop("mean"), self._start[0].numel())
        best, last, majority = (_as_images(kept) for kept in (self._best, self._last, self._majority))
        best_step, became_max = self._best_step.tolist(), self._became_max.tolist()
        for index in self._without_gain(traces, best_step):
            best_step[index], best[index] = 0, _as_images(self._start[index])
        found = []
        for index, (target, seed) in enumerate(zip(targets, seeds, strict=True)):
            climbed_on: Outcome = "majority" if became_max[index] else "no majority"
            ended, steps = self._ended.get(index, (None, self._entered))
            outcome = ended or climbed_on
            found.append(
                AscentResult(
                    unit=target,
                    seed=seed,
                    best=best[index],
                    last=last[index],
                    majority=majority[index] if became_max[index] else None,
                    best_step=best_step[index],
                    outcome=outcome,
                    **{name: np.ascontiguousarray(trace[:steps, index]) for name, trace in traces.items()},
                )
            )
        return found

    def _without_gain(self, traces: Mapping[str, NDArray], best_step: Sequence[int]) -> list[int]:
        """Return the pictures that have gained no more than rounding: a unit without weights sees none of the steps."""
        seen = [(index, step) for index, step in enumerate(best_step) if step > 0]
        return [index for index, step in seen if all(_is_rounding(traces[name][[0, step], index])
                                                     for name in ("objective", "below"))]  # fmt: skip

    def _keep_best(self, step: int, rows: torch.Tensor, x: torch.Tensor, reading: Reading) -> None:
        """Equal objectives are ranked by the value below the rectifier; of equal images the first is kept."""
        objective, below = reading.objective * self._direction, reading.below * self._direction
        known, known_below = self._of(self._best_objective, rows), self._of(self._best_below, rows)
        better = (objective > known) | ((objective == known) & (below > known_below))
        if len(rows) == len(self._best) and better.all():
            self._best.copy_(x)
            self._best_objective, self._best_below = objective, below
            self._best_step.fill_(step)
        elif better.any():
            chosen = rows[better]
            self._best[chosen] = x[better]
            self._best_objective[chosen], self._best_below[chosen] = objective[better], below[better]
            self._best_step[chosen] = step

    def _keep_first_majority(self, rows: torch.Tensor, x: torch.Tensor, is_max: torch.Tensor) -> None:
        first = is_max & ~self._of(self._became_max, rows)
        if first.any():
            self._majority[rows[first]] = x[first]
            self._became_max[rows[first]] = True

    def _of(self, kept: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return what is kept of some pictures, without a copy where it is all of them."""
        return kept if len(rows) == len(kept) else kept[rows]


def _is_rounding(values: Trace) -> bool:
    """Return whether two values, (2,), are the same but for rounding."""
    return bool(np.abs(values[1] - values[0]) <= ROUNDING * np.abs(values).max())


def _standard_deviation(norm: Trace, mean: Trace, count: int) -> Trace:
    """Return the standard deviation of `count` values from their norm and mean: much faster than torch's on a CPU."""
    variance = norm.astype(np.float64) ** 2 / count - mean.astype(np.float64) ** 2
    return np.sqrt(np.maximum(variance, 0)).astype(np.float32)


def _as_images(images: torch.Tensor) -> NDArray[np.float32]:
    """Return a copy, since the journal goes on to write over its own."""
    return images.to("cpu", copy=True).numpy()
