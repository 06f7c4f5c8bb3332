"""The Fréchet distance of two sets of features: that of normal distributions with their means and covariances.

Source: Heusel et al., GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, 2017.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError

Features = NDArray[np.floating]
FEWEST = 2
"""Of each side; of one alone there is no covariance."""


def frechet_distance(first: Features, second: Features) -> float:
    """Return |m1 − m2|² + tr(S1 + S2 − 2 (S1 S2)^½) of features, float64 (N, D) and (M, D).

    S are unbiased covariances, m means. The trace of the root is the sum of the singular values of A1 A2ᵀ, where
    Si = Aiᵀ Ai, so that no root of an ill-conditioned matrix is taken. `ToolboxError` for fewer than two rows, and for
    values that are not finite.
    """
    means, roots = [], []
    for features in (np.asarray(first, np.float64), np.asarray(second, np.float64)):
        if len(features) < FEWEST:
            raise ToolboxError(
                f"the Fréchet distance needs at least {FEWEST} pictures on each side, not {len(features)}"
            )
        if not np.isfinite(features).all():
            raise ToolboxError("features are not finite; name another layer with --features")
        means.append(features.mean(0))
        roots.append(_root(features - means[-1]))
    shift = float(np.square(means[0] - means[1]).sum())
    spread = sum(float(np.square(root).sum()) for root in roots)
    overlap = float(np.linalg.svd(roots[0] @ roots[1].T, compute_uv=False).sum())
    return max(0.0, shift + spread - 2 * overlap)


def distance_of_halves(features: Features) -> float:
    """Return the distance of every second of features, float64 (N, D), to the others: how far apart photographs are."""
    return frechet_distance(features[::2], features[1::2])


def _root(centred: Features) -> Features:
    """Return A (R, D), R no more than N and D, with Aᵀ A the covariance of centred features (N, D)."""
    scaled = centred / np.sqrt(len(centred) - 1)
    return np.asarray(np.linalg.qr(scaled, mode="r")) if len(scaled) > scaled.shape[1] else scaled
