"""Random sets of parameters to choose from: the space of the paper's random hyperparameter search."""

from __future__ import annotations

from typing import Any

import numpy as np

STEPS = 200


def sampled(seed: int, trial: int, steps: int = STEPS) -> dict[str, Any]:
    """Return the parameters of one trial: the same for a seed and a trial, whatever was sampled before.

    Each regularizer is off in a part of the trials, as the paper's four chosen sets leave some of them off. Sizes whose
    order of magnitude is unknown (decay, steps) are drawn evenly over their logarithm.
    """
    random = np.random.default_rng([seed, trial])
    values: dict[str, Any] = {"max_iter": steps}
    if random.random() < 0.6:
        values["decay"] = _rounded(10 ** random.uniform(-5, -0.5))
    if random.random() < 0.8:
        values |= {"blur_radius": _rounded(random.uniform(0.3, 1.5)), "blur_every": int(random.integers(1, 9))}
    for name in ("small_val_percentile", "small_norm_percentile", "px_abs_benefit_percentile"):
        if random.random() < 0.25:
            values[name] = _rounded(random.uniform(5, 95))
    if random.random() < 0.6:
        return values | {"lr_policy": "constant", "lr_params": {"lr": _rounded(10 ** random.uniform(2, 6))}}
    progress = {"max_lr": 1e8, "desired_prog": _rounded(10 ** random.uniform(0, 2.5))}
    return values | {"lr_policy": "progress", "lr_params": progress}


def _rounded(value: float) -> float:
    return float(f"{value:.2g}")
