"""What a network makes of fixed images: it tells networks apart that have the same weights.

An edited forward, another pooling or slope in a prototxt, leave the weights as they were. The answer is the mean
absolute activation of each layer, which is the same up to rounding wherever and with whatever version it is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch

from deepvis_toolbox.identity import Answer
from deepvis_toolbox.network.promise import same_random_numbers
from deepvis_toolbox.words.layer import Layers

Visitor = Callable[[str, torch.Tensor, torch.Tensor | None], None]


class Asked(Protocol):
    """What an answer needs of a network."""

    layers: Layers
    input_shape: tuple[int, int, int]
    device: torch.device

    def visit(self, x: torch.Tensor, layers: Sequence[str], visitor: Visitor) -> None:
        """Hand each layer's value for the images, float32 (N, C, H, W), to the visitor."""


_BLOCK = 16
_SCALES = (1 / 64, 1.0)
"""What networks take whose input is normalised, and those that take pixels."""


def fixed_images(input_shape: tuple[int, int, int]) -> torch.Tensor:
    """Return always the same two images, float32 (2, C, H, W): squares under noise, of deviation 1 and 64.

    They are the network's values, whatever preprocessing it has.
    """
    channels, height, width = input_shape
    random = np.random.RandomState(0)  # its numbers are frozen, unlike those of newer generators
    squares = random.randint(-96, 97, (channels, -(-height // _BLOCK), -(-width // _BLOCK)))
    whole = squares.repeat(_BLOCK, axis=1).repeat(_BLOCK, axis=2)[:, :height, :width]
    image = torch.from_numpy((whole + random.randint(-32, 33, input_shape)).astype(np.float32))
    return torch.stack([image * scale for scale in _SCALES])


def answer_of(net: Asked) -> Answer:
    """Return what the network makes of the fixed images in every layer: 6 significant digits, finite values alone."""
    answer: dict[str, list[float]] = {}

    def keep(name: str, value: torch.Tensor, _below: torch.Tensor | None) -> None:
        mean = value.abs().mean(dtype=torch.float64 if value.device.type != "mps" else None)
        answer.setdefault(name, []).append(float(f"{float(mean):.6g}"))

    for image in fixed_images(net.input_shape):
        with same_random_numbers():
            net.visit(image[None].to(net.device), list(net.layers), keep)
    return {name: means for name, means in answer.items() if np.isfinite(means).all()}
