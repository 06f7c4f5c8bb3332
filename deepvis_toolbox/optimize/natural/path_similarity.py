"""Path similarity: whether a preferred image is processed as the photographs are that the unit likes best.

Source: Geirhos et al., Don't trust your eyes: on the (un)reliability of feature visualizations, 2024, section 4. A
picture that excites a unit by other ways than natural ones do is told by the layers below, which it activates in other
ways. There, whole maps are correlated as they are. Here each unit counts by its mean over places, in deviations from
what random photographs give: most of a map's values are alike for all pictures, and where a thing lies is left aside.
Of a unit that sees a part of the image alone, that part counts, and in the layers below the places that lie in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.method.windows import cut
from deepvis_toolbox.words.layer import Rect

Means = dict[str, torch.Tensor]
"""By layer: the units' means over places, float64 (N, units)."""
LEAST_ROOM = 0.05
"""Of the mean cosine: below, what a single unit's similarity is divided by is mostly chance."""


@dataclass(frozen=True)
class RandomPictures:
    """What random photographs give in one layer, float64 (units,) each."""

    mean: torch.Tensor
    deviation: torch.Tensor
    direction: torch.Tensor
    """The mean of their own `directions`."""

    @classmethod
    def of(cls, means: torch.Tensor) -> RandomPictures:
        """Return that of the pictures with these means, float64 (N, units), N at least 2."""
        bare = cls(means.mean(0), means.std(0), torch.zeros(0))
        return cls(bare.mean, bare.deviation, bare.directions(means).mean(0))

    def directions(self, means: torch.Tensor) -> torch.Tensor:
        """Return pictures' means, float64 (N, units), in deviations from random ones, each of length 1.

        A unit that is the same for all random ones is left aside, (N, units) 0.
        """
        varies = self.deviation > 0
        away = torch.where(varies, (means - self.mean) / torch.where(varies, self.deviation, 1), 0)
        return away / away.norm(dim=1, keepdim=True).clamp_min(1e-30)


@dataclass(frozen=True)
class PathSimilarity:
    """How alike activations are, as mean cosines over pairs of pictures, by layer: float64 (layers,) each."""

    layers: tuple[str, ...]
    """In the network's order, the unit's own left out."""
    preferred: NDArray[np.float64]
    """Of the preferred image to the unit's top photographs."""
    among: NDArray[np.float64]
    """Of the top photographs to each other."""
    random: NDArray[np.float64]
    """Of the top photographs to random ones."""

    @property
    def whole(self) -> float | None:
        """(preferred − random) / (among − random), of the means over all layers: 1 as alike as the top photographs are
        to each other, 0 as random ones. None where the top ones are hardly more alike to each other than to random
        ones."""
        room = float((self.among - self.random).mean())
        return float((self.preferred - self.random).mean()) / room if room > LEAST_ROOM else None


def mean_of(found: Sequence[PathSimilarity]) -> PathSimilarity:
    """Return the mean over units, at least one, of the same layers."""
    arrays = (np.mean([getattr(each, name) for each in found], axis=0) for name in ("preferred", "among", "random"))
    return PathSimilarity(found[0].layers, *arrays)


def means_over_places(
    net: Network, x: torch.Tensor, layers: Sequence[str], windows: Mapping[str, Rect] | None = None
) -> Means:
    """Return the layers' means for images x, float32 (N, C, H, W): over all places, or over those of `windows`."""
    found: Means = {}

    def keep(layer: str, value: torch.Tensor, below: torch.Tensor | None) -> None:  # noqa: ARG001
        if net.layers[layer].is_tokens:
            value = value.mean(1)
        elif value.ndim > 2:
            value = cut(value, windows.get(layer) if windows else None)
        found[layer] = value.flatten(2).mean(2).double() if value.ndim > 2 else value.double().clone()

    net.visit(x, layers, keep)
    return found


def path_similarity(
    preferred: torch.Tensor,
    top: torch.Tensor,
    random: Mapping[str, RandomPictures],
    net: Network,
    windows: Mapping[str, Rect] | None = None,
) -> PathSimilarity:
    """Return how alike the layers of `random` are for a preferred image (1, C, H, W) and a unit's top photographs
    (N, C, H, W), N at least 2, network inputs in float32. `windows`: as in `means_over_places`.

    A mean of cosines is the product of mean directions, so no pairs are counted.
    """
    means, count = means_over_places(net, torch.cat([preferred, top]), list(random), windows), len(top)
    values = np.zeros((len(random), 3))
    for number, (layer, strangers) in enumerate(random.items()):
        own, *others = strangers.directions(means[layer])
        total = torch.stack(others).sum(0)
        pairs = float(total @ total) - sum(float(each @ each) for each in others)
        with_strangers = float(strangers.direction @ total) / count
        values[number] = float(own @ total) / count, pairs / (count * (count - 1)), with_strangers
    return PathSimilarity(tuple(random), *values.T)
