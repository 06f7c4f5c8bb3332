"""How layers answer small changes of a picture, and how local their codes are (section 2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.measure.perturbing import perturbed
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.perturbation import Perturbation


def inputs(net: Network, frames: Sequence[RGBImage], how: Perturbation, first: int = 0) -> torch.Tensor:
    """Return pictures of the input's size, uint8 (H, W, 3), as the network's input (N, C, H, W), each changed as `how`
    says.

    `first`: the number of the first, on which its noise depends.
    """
    changed = [perturbed(picture, how, first + number) if how else picture for number, picture in enumerate(frames)]
    values = np.stack([net.preprocessing.values_of(picture) for picture in changed])
    return torch.from_numpy(np.ascontiguousarray(values)).to(net.device)


def relative_changes(
    net: Network, clean: torch.Tensor, changed: torch.Tensor, layers: Sequence[str]
) -> NDArray[np.float64]:
    """Return by how much of its own size each layer changes from one batch (N, C, H, W) to another, float64 (N,
    layers): the
    Euclidean norm of the difference over that of the values; NaN where these are all zero."""
    before, after = net.forward(clean, layers), net.forward(changed, layers)
    rows = []
    for name in layers:
        old, new = (values[name].flatten(1).to("cpu", torch.float64) for values in (before, after))
        size = old.norm(dim=1)
        rows.append(torch.where(size > 0, (new - old).norm(dim=1) / size, torch.nan).numpy())
    return np.stack(rows, axis=1)


def channel_strengths(
    net: Network, batches: Iterable[torch.Tensor], layers: Sequence[str]
) -> list[NDArray[np.float32]]:
    """Return, for each layer, the largest value of each of its channels on each picture, below zero as zero: float32
    (pictures, channels) each."""
    found: list[list[NDArray[np.float32]]] = [[] for _ in layers]
    for x in batches:
        values = net.forward(x, layers)
        for each, name in zip(found, layers, strict=True):
            value = values[name].to("cpu", torch.float32)
            if net.layers[name].is_tokens:
                value = value.transpose(1, 2)
            each.append(value.reshape(*value.shape[:2], -1).amax(2).clamp(min=0).numpy())
    return [np.concatenate(each) for each in found]


def participation(strengths: NDArray[np.floating], axis: int) -> NDArray[np.float64]:
    """Return which share along `axis` takes part: (Σa)² / (n Σa²) of values that are not negative, of any
    shape and dtype.

    1 where all are equally strong, 1/n where one alone is active; NaN where none is. Along the channels: how spread a
    picture's code is; along the pictures: how many a unit responds to.
    """
    values = strengths.astype(np.float64)
    squares = np.square(values).sum(axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.square(values.sum(axis)) / (values.shape[axis] * squares)
    return np.where(squares > 0, share, np.nan)


def confidences(net: Network, x: torch.Tensor) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the probability of each picture's likeliest class, and which it is, float64 and int64 (N,), for
    input (N, C, H, W).

    The network must have classes.
    """
    layer = net.probability_layer
    assert layer is not None
    shares = net.probabilities(net.forward(x, [layer])[layer]).to("cpu", torch.float64)
    likeliest = shares.max(1)
    return likeliest.values.numpy(), likeliest.indices.numpy()
