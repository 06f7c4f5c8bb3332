"""Coarse to fine: the first steps change the image's low frequencies alone, so that the large shapes come first."""

from __future__ import annotations

import numpy as np
import torch

from deepvis_toolbox.optimize.method.frequencies import cycles_across

FINE_FROM = 0.5
"""From this part of the steps on, every frequency changes."""


class CoarseToFine:
    """Lets of a step's change the frequencies below a limit pass, which grows evenly over its logarithm.

    The limit is `coarse` cycles across the longer side at step 0, and reaches the highest frequency at `FINE_FROM`.
    """

    def __init__(self, coarse: float, size: tuple[int, int], steps: int) -> None:
        """`size`: (H, W) of the image. `steps`: of the whole ascent."""
        cycles = cycles_across(size)
        self._cycles = torch.from_numpy(cycles.astype(np.float32))
        self._coarse, self._highest, self._steps = coarse, float(cycles.max()), steps * FINE_FROM

    def limit(self, step: int) -> float:
        """Return the highest frequency that passes at a step, in cycles across the longer side; infinity for all."""
        if step >= self._steps:
            return float("inf")
        return self._coarse * max(1.0, self._highest / self._coarse) ** (step / self._steps)

    def passed(self, change: torch.Tensor, step: int) -> torch.Tensor:
        """Return the part of a change of the image, both float32 (M, C, H, W), that passes at a step."""
        limit = self.limit(step)
        if limit == float("inf"):
            return change
        spectrum = torch.fft.rfft2(change) * (self._cycles <= limit).to(change)
        return torch.fft.irfft2(spectrum, s=change.shape[-2:])
