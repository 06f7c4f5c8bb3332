"""The methods that find directions in a sample of activations, and what their units explain of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.factorize.topk_autoencoder import fitted_autoencoder
from deepvis_toolbox.installation import pip_install
from deepvis_toolbox.network.added_layers import AddedLayer
from deepvis_toolbox.progress import Progress
from deepvis_toolbox.words.images import Floats


class Question(NamedTuple):
    """What is asked of a method."""

    components: int
    seed: int
    steps: int | None
    """Of fitting, at most; None: what is usual."""
    active: int | None
    """Units that an autoencoder keeps at a place; None: what is usual."""


@dataclass(frozen=True)
class Factorization:
    """Directions, and how a layer's values (C,) are made of the units' again: x ≈ code · decoder + mean."""

    directions: Floats
    bias: Floats | None
    encoder: str
    decoder: Floats
    """(K, C)."""
    mean: Floats
    """(C,)."""

    def added_layer(self, layer: str, name: str) -> AddedLayer:
        """Return it as a layer on `layer`."""
        return AddedLayer(layer, name, self.directions, self.bias, self.encoder)

    def codes(self, x: Floats) -> Floats:
        """Return the units' activations, float32 (M, K), for a layer's values (M, C)."""
        below = x @ self.directions.T + (0 if self.bias is None else self.bias)
        if self.encoder == "linear":
            return below
        code = np.maximum(below, 0)
        kept = int(self.encoder.partition(":")[2] or code.shape[1])
        if kept < code.shape[1]:
            least = np.argpartition(code, -kept, axis=1)[:, :-kept]
            np.put_along_axis(code, least, 0, axis=1)
        return code


class Measured(NamedTuple):
    """What the units make of a sample."""

    explained: float
    """The share of its variance that is explained by its reconstruction; below 0 where the mean alone is nearer."""
    dead: list[int]
    """Units that are 0 everywhere in it."""


def measured(found: Factorization, x: Floats, rows: int = 4096) -> Measured:
    """Measure on a layer's values, float32 (M, C), some rows at a time."""
    missed, was_active = 0.0, np.zeros(len(found.directions), bool)
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        codes = found.codes(part)
        was_active |= (codes != 0).any(0)
        missed += float(np.square(part - codes @ found.decoder - found.mean, dtype=np.float64).sum())
    varied = float(np.square(x - x.mean(0, dtype=np.float64)).sum())
    explained = 1 - missed / varied if varied else 0.0
    return Measured(explained, np.flatnonzero(~was_active).tolist())


Method = Callable[[Floats, Question, Progress], Factorization]


def pca(x: Floats, asked: Question, progress: Progress) -> Factorization:
    """Return the directions in which the values, float32 (M, C), vary most, orthogonal, largest first."""
    most = min(x.shape)
    if asked.components > most:
        raise ToolboxError(f"pca finds at most {most} components in {x.shape[0]} samples of {x.shape[1]} values")
    fit = _sklearn().PCA(asked.components, svd_solver="covariance_eigh").fit(x.astype(np.float64))
    progress.advance()
    directions, mean = (np.asarray(each, np.float32) for each in (fit.components_, fit.mean_))
    return Factorization(directions, -directions @ mean, "linear", directions, mean)


def nmf(x: Floats, asked: Question, progress: Progress) -> Factorization:
    """Return directions of which the values, float32 (M, C), are sums without negative terms.

    The method finds parts by solving a problem at each place; a unit is the linear function of the values that comes
    nearest to its part, rectified.
    """
    negative = float((x < 0).mean())
    if negative:
        raise ToolboxError(
            f"nmf takes layers without negative values, and {100 * negative:.3g} % of those sampled are; choose a "
            "rectified layer, or --method pca or topk-sae"
        )
    if len(x) < asked.components:
        raise ToolboxError(f"{len(x)} samples are too few for {asked.components} components; take more pictures")
    fit = _sklearn().NMF(asked.components, random_state=asked.seed, max_iter=asked.steps or 300)
    parts = fit.fit_transform(x)
    progress.advance()
    decoder = np.asarray(fit.components_, np.float32)
    lengths = np.maximum(np.linalg.norm(decoder, axis=1), np.finfo(np.float32).tiny)
    directions, bias = _regression(x, parts * lengths)  # so that units are as large as what they add to the values
    decoder = decoder / lengths[:, None]
    return Factorization(directions, bias, "relu", decoder, np.zeros(x.shape[1], np.float32))


def _regression(x: Floats, parts: Floats) -> tuple[Floats, Floats]:
    """Return directions (K, C) and bias (K,) of the linear function of `x` (M, C) that comes nearest to `parts` (M, K),
    by least squares with a little ridge."""
    centre, middle = x.mean(0, dtype=np.float64), parts.mean(0, dtype=np.float64)
    centred = x - centre
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] += _RIDGE * np.trace(gram) / len(gram) + np.finfo(np.float32).tiny
    found = np.linalg.solve(gram, centred.T @ (parts - middle)).T
    return found.astype(np.float32), (middle - found @ centre).astype(np.float32)


_RIDGE = 1e-4


def topk_sae(x: Floats, asked: Question, progress: Progress) -> Factorization:
    """Return the dictionary of a sparse autoencoder for values, float32 (M, C), maybe of more units than the layer."""
    active = asked.active or max(1, min(16, asked.components // 4))
    if active > asked.components:
        raise ToolboxError(f"--active {active} is more than the {asked.components} components")
    steps = asked.steps or AUTOENCODER_STEPS
    directions, bias, decoder, mean = fitted_autoencoder(x, asked.components, active, steps, asked.seed, progress)
    return Factorization(directions, bias, f"topk:{active}", decoder, mean)


AUTOENCODER_STEPS = 2000
METHODS: dict[str, Method] = {"nmf": nmf, "topk-sae": topk_sae, "pca": pca}


def steps_of(method: str, asked: Question) -> int:
    """Return how many steps a method reports."""
    return (asked.steps or AUTOENCODER_STEPS) if method == "topk-sae" else 1


def check_installed(method: str) -> None:
    """Raise `ToolboxError` where what the method needs is not installed."""
    if method != "topk-sae":
        _sklearn()


def _sklearn() -> Any:
    try:
        from sklearn import decomposition
    except ImportError:
        raise ToolboxError(
            f"nmf and pca need scikit-learn: {pip_install('scikit-learn')}; --method topk-sae does without it"
        ) from None
    return decomposition
