"""Zero-centred pixels on a device: the space the ascent works in, whatever the network's own scaling."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.network.preprocessing import Preprocessing


class PixelSpace:
    """Between zero-centred pixels (0-255 scale, mean subtracted) and a network's values, for images (N, C, H, W)."""

    def __init__(self, preprocessing: Preprocessing, device: torch.device) -> None:
        black, white = preprocessing.zero_centred_range
        self._black, self._white = _bound(black, device), _bound(white, device)
        gain = torch.tensor(preprocessing.gain, device=device).reshape(-1, 1, 1)
        self._gain = None if bool((gain == 1).all()) else gain

    def clip_(self, x: torch.Tensor) -> torch.Tensor:
        """Move every pixel of `x`, float32 (N, C, H, W), between black and white; return `x` itself. NaN stays NaN."""
        return x.clamp_(self._black, self._white)  # type: ignore[arg-type]  # both are numbers, or both tensors

    def to_network(self, x: torch.Tensor) -> torch.Tensor:
        """Return the network's values for zero-centred pixels, both float32 (N, C, H, W)."""
        return x if self._gain is None else x * self._gain

    def gradient(self, gradient: torch.Tensor) -> torch.Tensor:
        """Return the gradient by pixels of what has `gradient` by the network's values, both float32 (N, C, H, W)."""
        return gradient if self._gain is None else gradient * self._gain


def _bound(values: NDArray[np.float32], device: torch.device) -> torch.Tensor | float:
    """Return a number where it is the same for all pixels, which is faster to clip to."""
    return float(values.flat[0]) if (values == values.flat[0]).all() else torch.tensor(values, device=device)
