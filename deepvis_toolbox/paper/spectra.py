"""Spatial frequencies: of pictures and of a layer's filters, and what filters of each frequency do (section S1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network

FILTER_GRID = 32
"""A filter's spectrum is computed on so many points a side: fine enough for the smallest filters."""
HIGH = 0.25
"""Cycles a pixel: half of the highest frequency that pixels hold along an axis."""


def radial_spectrum(images: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean power over frequency of images (N, C, H, W): frequencies in cycles a pixel and power,
    float64 (F,) each.

    Each image's mean is taken away, and a Hann window laid over it, so that its border is no edge. Power is that of one
    point of the spectrum, averaged over all directions, channels and images.
    """
    height, width = images.shape[-2:]
    window = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[None, 1:-1]
    centred = images - images.mean((-2, -1), keepdims=True)
    power = (np.abs(np.fft.fft2(centred * window)) ** 2).mean(tuple(range(images.ndim - 2)))
    radius = frequencies(height, width)
    bins = min(height, width) // 2
    which = np.minimum((radius * 2 * bins).astype(int), bins)  # beyond half a cycle a pixel: the corners, left out
    inside = (which < bins) & (radius > 0)
    counts = np.bincount(which[inside], minlength=bins)
    kept = counts > 0
    mean_power = np.bincount(which[inside], power[inside], bins)[kept] / counts[kept]
    mean_frequency = np.bincount(which[inside], radius[inside], bins)[kept] / counts[kept]
    return mean_frequency, mean_power


def frequencies(height: int, width: int) -> NDArray[np.float64]:
    """Return each point's distance from zero in a Fourier transform of that size, cycles a pixel, float64 (H, W)."""
    return np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])


def high_share(images: NDArray[np.floating]) -> float:
    """Return how much of the power of images of any dtype, (N, C, H, W), without their means, lies above `HIGH`; 0
    for flat ones."""
    power = np.abs(np.fft.fft2(images - images.mean((-2, -1), keepdims=True))) ** 2
    whole = float(power.sum())
    return float((power * (frequencies(*images.shape[-2:]) > HIGH)).sum() / whole) if whole else 0.0


def filter_frequency(weights: NDArray[np.floating]) -> float:
    """Return the frequency of a filter, (C, h, w) of any dtype: the centre of gravity of its power, cycles a pixel."""
    size = max(FILTER_GRID, *weights.shape[-2:])
    power = (np.abs(np.fft.fft2(weights, (size, size))) ** 2).sum(0)
    whole = float(power.sum())
    return float((frequencies(size, size) * power).sum() / whole) if whole else 0.0


@dataclass(frozen=True)
class FilterUse:
    """What each filter of a layer does on pictures, float64 (units,) each."""

    frequency: NDArray[np.float64]
    """Cycles a pixel."""
    activation: NDArray[np.float64]
    """Its mean size, over places and pictures."""
    gradient_energy: NDArray[np.float64]
    """What it brings to the picture in a backward pass from the likeliest class: the mean square of the gradient at its
    output, times the sum of its squared weights."""


def filters_of(net: Network, layer: str) -> list[NDArray[np.float32]]:
    """Return the weights by which each unit of a layer reads the input, float32 (C, h, w), cut to what is not zero.

    `ToolboxError` where it reads another layer, or the engine tells no weights.
    """
    found = []
    for unit in range(net.layers[layer].channels):
        below, weights, _ = net.weights_of(layer, unit)
        if below != net.input_name or weights.ndim != 3:
            raise ToolboxError(f'the layer "{layer}" of {net.name} does not read the picture itself')
        found.append(_cut(weights.cpu().numpy()))
    return found


def filter_use(net: Network, layer: str, origin: str, batches: Iterable[torch.Tensor]) -> FilterUse:
    """Return what the filters of `layer` do on pictures, float32 (N, C, H, W): forward, and backward from the unit of
    `origin` that is most active on each of them."""
    filters = filters_of(net, layer)
    activation, energy, count = np.zeros(len(filters)), np.zeros(len(filters)), 0
    for x in batches:
        values = net.forward(x, [layer, origin])
        gradient = net.backward(x, origin, _one_hot(values[origin]), "grad", [layer])[layer]
        activation += _mean_over_places(values[layer].abs()).sum(0)
        energy += _mean_over_places(gradient.square()).sum(0)
        count += len(x)
    squares = np.array([float(np.square(weights, dtype=np.float64).sum()) for weights in filters])
    frequency = np.array([filter_frequency(weights) for weights in filters])
    return FilterUse(frequency, activation / max(count, 1), squares * energy / max(count, 1))


def rank_correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Return Spearman's correlation of two series (N,) of any dtype, -1 to 1; 0 where one of them does not vary."""
    from scipy.stats import rankdata

    ranks = [rankdata(each) - (len(each) + 1) / 2 for each in (first, second)]
    size = float(np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    return float((ranks[0] * ranks[1]).sum() / size) if size else 0.0


def _one_hot(values: torch.Tensor) -> torch.Tensor:
    """Return 1 at the largest of each picture's values (N, …), 0 elsewhere."""
    flat = values.flatten(1)
    hot = torch.zeros_like(flat)
    hot[torch.arange(len(flat)), flat.argmax(1)] = 1
    return hot.reshape(values.shape)


def _mean_over_places(values: torch.Tensor) -> NDArray[np.float64]:
    """Return (N, C) of values (N, C, H, W) or (N, C)."""
    return values.detach().to("cpu", torch.float64).reshape(*values.shape[:2], -1).mean(2).numpy()


def _cut(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, columns = (np.flatnonzero(np.abs(weights).sum(axes)) for axes in ((0, 2), (0, 1)))
    if not rows.size:
        return weights[:, :1, :1]
    return weights[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
