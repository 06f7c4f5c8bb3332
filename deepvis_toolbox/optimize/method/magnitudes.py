"""Natural magnitudes: the image's spectrum keeps the amplitudes of photographs, and its phases are what climbs.

Source: Fel et al., "Unlocking feature visualization for deeper networks with magnitude constrained optimization"
(MaCo), 2023. There the amplitudes are fixed by construction; here they are set again after each step, wholly or
in part.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.optimize.method.frequencies import cycles_across

BANDS = 15
FREQUENCIES = np.geomspace(1, 128, BANDS)
"""Cycles across the longer side of the image."""
PHOTOGRAPHS = np.array(
    [11.9, 6.34, 3.81, 3.95, 2.19, 1.72, 1.11, 0.698, 0.429, 0.24, 0.145, 0.0869, 0.0535, 0.03, 0.0155]
)
"""Mean amplitudes at `FREQUENCIES`, in pixel values: of an orthonormal transform, over the root of the pixels' number.

Of the middle squares, 256 pixels large, of four photographs that come with scikit-image and are free: astronaut,
coffee, chelsea, rocket."""


class AmplitudeProfile:
    """Mean amplitudes by frequency over photographs and colours."""

    def __init__(self) -> None:
        self.count = 0
        self._sums = np.zeros(BANDS)

    def add(self, pixels: NDArray[np.float32]) -> None:
        """Add one photograph: float32 (C, H, W), pixel units."""
        height, width = pixels.shape[1:]
        amplitudes = np.abs(np.fft.rfft2(pixels.astype(np.float64), norm="ortho")).mean(0) / np.sqrt(height * width)
        cycles = cycles_across((height, width))
        nearest = np.abs(np.log(np.maximum(cycles, 0.5))[..., None] - np.log(FREQUENCIES)).argmin(-1)
        nearest[cycles < 0.5] = -1
        found = [amplitudes[nearest == band] for band in range(BANDS)]
        self._sums += [each.mean() if len(each) else 0.0 for each in found]
        self.count += 1

    def mean(self) -> NDArray[np.float32]:
        """Return the means, float32 (BANDS,)."""
        return (self._sums / max(1, self.count)).astype(np.float32)


class NaturalMagnitudes:
    """Moves the amplitudes of images towards those of photographs; the mean colour stays."""

    def __init__(
        self, strength: float, size: tuple[int, int], amplitudes: NDArray[np.floating] | None, device: torch.device
    ) -> None:
        """`strength`: 1 sets them, a half goes half the way. `size`: (H, W) of the images. `amplitudes`: (BANDS,), of
        photographs of one's own."""
        profile = PHOTOGRAPHS if amplitudes is None else np.asarray(amplitudes, np.float64)
        cycles = cycles_across(size)
        wanted = np.exp(
            np.interp(np.log(np.maximum(cycles, 1)), np.log(FREQUENCIES), np.log(np.maximum(profile, 1e-6)))
        )
        wanted *= np.sqrt(size[0] * size[1])
        self._strength = torch.from_numpy(np.where(cycles < 0.5, 0, strength).astype(np.float32)).to(device)
        self._wanted = torch.from_numpy(wanted.astype(np.float32)).to(device)

    def applied(self, x: torch.Tensor) -> torch.Tensor:
        """Return the images, float32 (N, C, H, W), with these amplitudes and their own phases."""
        spectrum = torch.fft.rfft2(x, norm="ortho")
        amplitudes = spectrum.abs()
        towards = amplitudes + self._strength * (self._wanted - amplitudes)
        return torch.fft.irfft2(torch.polar(towards, spectrum.angle()), s=x.shape[-2:], norm="ortho")
