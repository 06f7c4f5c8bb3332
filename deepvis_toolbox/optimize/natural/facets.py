"""Starts from the facets of a unit: its top photographs in clusters, the mean image of each, blurred.

Source: Nguyen, Yosinski & Clune, "Multifaceted feature visualization", 2016. A unit that likes several kinds of
pictures is shown one kind a seed. There, pictures are clustered after t-SNE; here by the units below themselves.
"""

from __future__ import annotations

import warnings

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.method.seen_places import SeenPlaces
from deepvis_toolbox.optimize.method.starts import ClusterStarts
from deepvis_toolbox.optimize.natural.path_similarity import means_over_places

TRIES = 10
"""Of k-means, from other starts; the tightest clusters are taken."""
NEAREST = 15
"""Photographs of a cluster, those nearest to its middle, whose mean is a start (as the paper's)."""
BLUR = 1 / 32
"""Standard deviation of the blur, of the image's longer side."""
AT_ONCE = 8


def codes_of(net: Network, layer: str, inputs: torch.Tensor, seen: SeenPlaces | None) -> NDArray[np.float64]:
    """Return by what photographs are clustered for a layer's unit, float64 (N, units): the means over places of the
    nearest layer below whose units it mixes, of the places that the unit sees. `inputs`: float32 (N, C, H, W)."""
    feeding = net.layers_feeding(layer)
    if not feeding:
        raise ToolboxError(f"no layer below {layer} tells pictures apart, so there are no clusters to start from")
    windows = seen.windows if seen else None
    parts = [means_over_places(net, some, [feeding[-1]], windows)[feeding[-1]] for some in inputs.split(AT_ONCE)]
    return torch.cat(parts).cpu().numpy()


def clusters_of(codes: NDArray[np.float64], count: int) -> list[NDArray[np.int64]]:
    """Return the members of each cluster by k-means, int64 (members,), nearest to its middle first; the clusters in the
    order of their first member. Fewer than `count` where there are fewer different codes (float64 (N, units))."""
    from scipy.cluster.vq import kmeans2

    best, least = np.zeros(len(codes), np.int64), np.inf
    middles = codes.mean(0, keepdims=True)
    different = len(np.unique(codes, axis=0))
    for seed in range(TRIES if min(count, different) > 1 else 0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of clusters that lost all members
            found, labels = kmeans2(codes, min(count, different), minit="++", seed=np.random.RandomState(seed))
        off = float(np.square(codes - found[labels]).sum())
        if off < least:
            best, least, middles = labels.astype(np.int64), off, found
    members = [np.flatnonzero(best == label) for label in dict.fromkeys(best.tolist())]
    return [own[np.argsort(np.square(codes[own] - middles[best[own[0]]]).sum(1), kind="stable")] for own in members]


def cluster_starts(pixels: NDArray[np.float32], clusters: list[NDArray[np.int64]]) -> ClusterStarts:
    """Return the blurred mean image of each cluster's nearest photographs, float32 (N, C, H, W), zero-centred, in pixel
    units."""
    sigma = max(pixels.shape[2:]) * BLUR
    means = [pixels[members[:NEAREST]].mean(0) for members in clusters]
    blurred = [
        [cv2.GaussianBlur(channel, (0, 0), sigma, borderType=cv2.BORDER_REFLECT) for channel in mean] for mean in means
    ]
    return ClusterStarts(np.array(blurred, np.float32))
