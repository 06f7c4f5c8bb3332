"""What is fixed before a scan by its first batch: how large a layer's values are, and which rectifiers only clip.

Every shard and every restart looks at the same batch, so all find the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.scan.numbers.unit_index import UnitIndex

HEADROOM = 16
"""Statistics clip at this multiple of the largest magnitude in the first batch."""
LIMIT_OF_ZEROS = 1024.0
"""Where the first batch shows nothing but zeros, so that later values do not lie beyond it."""
_CLIPPING_RECTIFIERS = {"relu": (0.0, math.inf), "relu6": (0.0, 6.0)}

ClipRange = tuple[float, float]


@dataclass(frozen=True)
class Calibration:
    """`limits`: per layer, a power of two above `HEADROOM` times its largest finite magnitude in the first batch.

    `clips`: (low, high) of the layers whose value is exactly that below their rectifier, clipped; such a layer's
    largest value lies where the one below lies, and needs no pass of its own.
    """

    limits: dict[str, float]
    clips: dict[str, ClipRange]

    def record(self) -> dict[str, Any]:
        """Return it as plain data; an endless clip's end is written as null."""
        clips = {name: [low, None if math.isinf(high) else high] for name, (low, high) in self.clips.items()}
        return {"limits": self.limits, "clips": clips}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Calibration:
        """Return what `record` wrote down."""
        clips = {name: (low, math.inf if high is None else high) for name, (low, high) in record["clips"].items()}
        return cls(dict(record["limits"]), clips)


def calibrate(net: Network, index: UnitIndex, inputs: torch.Tensor) -> Calibration:
    """Look at network inputs, float32 (B, C, H, W): the readable pictures of the first batch that has one."""
    limits: dict[str, float] = {}
    clips: dict[str, ClipRange] = {}
    rectifiers = {layer.name: layer.rectifier for layer in index.layers}

    def look(name: str, value: torch.Tensor, below: torch.Tensor | None) -> None:
        limits[name] = _limit(_largest_finite(value))
        clip = _CLIPPING_RECTIFIERS.get(rectifiers[name])
        if clip and below is not None and torch.equal(value, below.clamp(*clip)):
            clips[name] = clip

    net.visit(inputs, index.names, look)
    return Calibration(limits, clips)


def _largest_finite(value: torch.Tensor) -> float:
    """Return the largest magnitude among the numbers, 0 where there are none."""
    magnitude = value.abs()
    largest = float(magnitude.amax())
    if math.isfinite(largest):
        return largest
    return float(torch.where(magnitude.isfinite(), magnitude, 0).amax())


def _limit(largest: float) -> float:
    if largest == 0:
        return LIMIT_OF_ZEROS
    return float(2.0 ** math.ceil(math.log2(largest))) * HEADROOM
