"""What photographs are like, for images that shall be like them: in the convolutions, and in their spectrum."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.norm_statistics import NormStatistics
from deepvis_toolbox.optimize.method.held_layers import held_names
from deepvis_toolbox.optimize.method.magnitudes import AmplitudeProfile
from deepvis_toolbox.optimize.method.windows import cut
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.layer import Rect

FEWEST = 2


@dataclass(frozen=True, eq=False)
class PhotographStatistics:
    """Of photographs: each convolution's units, below their rectifier, and the mean amplitudes by frequency."""

    layers: Mapping[str, NormStatistics]
    """By layer, in the network's order: each unit's mean and deviation over places and photographs."""
    amplitudes: NDArray[np.float32]
    """float32 (`magnitudes.BANDS`,)."""
    sorted_values: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """By layer, in the network's order: each unit's values in ascending order, float32 (C, places), the mean over the
    photographs, on the CPU. Of the layers for which they were asked."""
    windows: Mapping[str, Rect] = field(default_factory=dict)
    """By layer: the places that count. Empty: all; a unit's own that sees a part of the image alone."""

    @property
    def key(self) -> str:
        """SHA-256 of all values."""
        digest = hashlib.sha256(self.amplitudes.tobytes())
        for name, (mean, deviation, _) in self.layers.items():
            digest.update(name.encode(errors="surrogateescape"))
            digest.update(torch.stack([mean, deviation]).cpu().numpy().tobytes())
        for name, values in self.sorted_values.items():
            digest.update(f"sorted {name}".encode(errors="surrogateescape"))
            digest.update(values.numpy().tobytes())
        if self.windows:
            digest.update(repr(sorted(self.windows.items())).encode(errors="surrogateescape"))
        return digest.hexdigest()


def photograph_statistics(
    net: Network, photographs: Iterable[RGBImage], sorted_for: Iterable[str] = ()
) -> PhotographStatistics:
    """Return the statistics of photographs, RGB uint8 H×W×3 of any sizes, each as the network sees it.

    `sorted_for`, and what is raised: as `input_statistics`.
    """
    return input_statistics(net, (net.preprocess(photograph) for photograph in photographs), sorted_for)


def input_statistics(
    net: Network,
    inputs: Iterable[torch.Tensor],
    sorted_for: Iterable[str] = (),
    windows: Mapping[str, Rect] | None = None,
) -> PhotographStatistics:
    """Return the statistics of photographs as network inputs, float32 (1, C, H, W) each; of the places in `windows`
    alone, by layer, where there are any. `sorted_for`: layers of units; of what is held below each of them, the sorted
    values count as well.

    Raises `ToolboxError` for fewer than `FEWEST`, for a network without convolutions (`windows`: among these layers),
    and where a layer gives NaN or infinity.
    """
    chosen = windows or {}
    convolutions = {
        layer.name: bool(layer.rectifier)
        for layer in net.layers.values()
        if layer.kind == "conv" and layer.is_spatial and (not chosen or layer.name in chosen)
    }
    if not convolutions:
        raise ToolboxError(f"{net.name} has no convolutions whose statistics photographs could tell")
    with_sorted = {name for layer in set(sorted_for) for name in held_names(net, [layer], convolutions)}
    sums = {name: _Sums(net.layers[name].channels, name in with_sorted) for name in convolutions}
    profile = AmplitudeProfile()
    for x in inputs:
        profile.add(net.preprocessing.to_pixels(x[0].cpu().numpy()))
        recording = net.record(x, list(convolutions))
        for name in convolutions:
            sums[name].add(cut(recording.below_rectifier(name), chosen.get(name))[0])
    if profile.count < FEWEST:
        raise ToolboxError(f"statistics are of at least {FEWEST} photographs, and {profile.count} can be read")
    found = {name: each.statistics(convolutions[name]) for name, each in sums.items()}
    wrong = [name for name, each in found.items() if not (each.mean.isfinite() & each.deviation.isfinite()).all()]
    if wrong:
        raise ToolboxError(f'layer "{wrong[0]}" gives NaN or infinity for these photographs')
    in_order = {name: each.sorted_mean(profile.count) for name, each in sums.items() if name in with_sorted}
    return PhotographStatistics(found, profile.mean(), in_order, {name: chosen[name] for name in found if chosen})


class _Sums:
    """Running sums over places and photographs, in double precision."""

    def __init__(self, channels: int, with_sorted: bool) -> None:
        self._count = 0
        self._sum, self._squares = np.zeros(channels), np.zeros(channels)
        self._sorted: NDArray[np.float64] | None = None
        self._with_sorted = with_sorted

    def add(self, values: torch.Tensor) -> None:
        """Add a layer's values of one photograph, float32 (C, H, W)."""
        flat = values.flatten(1).cpu().numpy().astype(np.float64)
        self._count += flat.shape[1]
        self._sum += flat.sum(1)
        self._squares += np.square(flat).sum(1)
        if self._with_sorted:
            in_order = values.flatten(1).sort(1).values.cpu().numpy().astype(np.float64)
            self._sorted = in_order if self._sorted is None else self._sorted + in_order

    def statistics(self, is_rectified: bool) -> NormStatistics:
        mean = self._sum / self._count
        deviation = np.sqrt(np.maximum(self._squares / self._count - mean**2, 0))
        mean_of, deviation_of = (torch.from_numpy(each.astype(np.float32)) for each in (mean, deviation))
        return NormStatistics(mean_of, deviation_of, is_rectified)

    def sorted_mean(self, photographs: int) -> torch.Tensor:
        """Return the mean of the photographs' sorted values, float32 (C, places)."""
        assert self._sorted is not None
        return torch.from_numpy((self._sorted / photographs).astype(np.float32))
