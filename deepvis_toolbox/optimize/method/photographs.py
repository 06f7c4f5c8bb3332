"""What photographs are like, for images that shall be like them: in the convolutions, and in their spectrum."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.norm_statistics import NormStatistics
from deepvis_toolbox.optimize.method.magnitudes import AmplitudeProfile
from deepvis_toolbox.words.images import RGBImage

FEWEST = 2


@dataclass(frozen=True, eq=False)
class PhotographStatistics:
    """Of photographs: each convolution's units, below their rectifier, and the mean amplitudes by frequency."""

    layers: Mapping[str, NormStatistics]
    """By layer, in the network's order: each unit's mean and deviation over places and photographs."""
    amplitudes: NDArray[np.float32]
    """float32 (`magnitudes.BANDS`,)."""

    @property
    def key(self) -> str:
        """SHA-256 of all values."""
        digest = hashlib.sha256(self.amplitudes.tobytes())
        for name, (mean, deviation, _) in self.layers.items():
            digest.update(name.encode(errors="surrogateescape"))
            digest.update(torch.stack([mean, deviation]).cpu().numpy().tobytes())
        return digest.hexdigest()


def photograph_statistics(net: Network, photographs: Iterable[RGBImage]) -> PhotographStatistics:
    """Return the statistics of photographs, RGB uint8 H×W×3 of any sizes, each as the network sees it.

    Raises `ToolboxError` for fewer than `FEWEST`, for a network without convolutions, and where a layer gives NaN or
    infinity.
    """
    convolutions = [layer.name for layer in net.layers.values() if layer.kind == "conv" and layer.is_spatial]
    if not convolutions:
        raise ToolboxError(f"{net.name} has no convolutions whose statistics photographs could tell")
    sums = {name: _Sums(net.layers[name].channels) for name in convolutions}
    profile = AmplitudeProfile()
    for photograph in photographs:
        x = net.preprocess(photograph)
        profile.add(net.preprocessing.to_pixels(x[0].cpu().numpy()))
        recording = net.record(x, convolutions)
        for name in convolutions:
            sums[name].add(recording.below_rectifier(name)[0])
    if profile.count < FEWEST:
        raise ToolboxError(f"statistics are of at least {FEWEST} photographs, and {profile.count} can be read")
    found = {name: each.statistics(bool(net.layers[name].rectifier)) for name, each in sums.items()}
    wrong = [name for name, each in found.items() if not (each.mean.isfinite() & each.deviation.isfinite()).all()]
    if wrong:
        raise ToolboxError(f'layer "{wrong[0]}" gives NaN or infinity for these photographs')
    return PhotographStatistics(found, profile.mean())


class _Sums:
    """Running sums over places and photographs, in double precision."""

    def __init__(self, channels: int) -> None:
        self._count = 0
        self._sum, self._squares = np.zeros(channels), np.zeros(channels)

    def add(self, values: torch.Tensor) -> None:
        """Add a layer's values of one photograph, float32 (C, H, W)."""
        flat = values.flatten(1).cpu().numpy().astype(np.float64)
        self._count += flat.shape[1]
        self._sum += flat.sum(1)
        self._squares += np.square(flat).sum(1)

    def statistics(self, is_rectified: bool) -> NormStatistics:
        mean = self._sum / self._count
        deviation = np.sqrt(np.maximum(self._squares / self._count - mean**2, 0))
        mean_of, deviation_of = (torch.from_numpy(each.astype(np.float32)) for each in (mean, deviation))
        return NormStatistics(mean_of, deviation_of, is_rectified)
