"""Value and gradient of one unit a picture, computed on no more of the image and the network than the units can see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch

from deepvis_toolbox.network.recording import Recording
from deepvis_toolbox.words.layer import Layer, Layers, Rect


class Recorder(Protocol):
    """What an ascent pass asks of a network."""

    layers: Layers

    @property
    def input_name(self) -> str:
        """The name of the input layer."""

    def record(self, x: torch.Tensor, layers: Sequence[str] | None = None) -> Recording:
        """Return a forward pass that is kept, of network values float32 (N, C, H, W)."""


class UnitGradients(NamedTuple):
    """What one pass gives, for N pictures with one unit each."""

    values: torch.Tensor
    """(N, channels): every unit of the layer at the place, as activations."""
    below: torch.Tensor
    """(N, channels): the same below the layer's rectifier."""
    gradient: torch.Tensor
    """(N, C, H, W) by network values: of each picture's own unit below its rectifier; zero where it cannot see."""


class AscentPass:
    """Computes units of one layer at one place (None for a layer without places) on any network."""

    region: Rect | None = None
    """The crop of the input that is computed, inside the image; None for all of it."""

    def __init__(self, network: Recorder, layer: str, place: tuple[int, int] | None) -> None:
        self._network = network
        self._layer = network.layers.canonical(layer)
        self._place = _position(network.layers[layer], place)

    def __call__(self, x: torch.Tensor, channels: torch.Tensor) -> UnitGradients:
        """`x`: network values (N, C, H, W), the whole image. `channels`: int64 (N,), each picture's unit."""
        found = self.on_part(self.part_of(x), channels)
        if self.region is None:
            return found
        gradient = torch.zeros_like(x, device=found.gradient.device)
        self.part_of(gradient).copy_(found.gradient)
        return found._replace(gradient=gradient)

    def part_of(self, x: torch.Tensor) -> torch.Tensor:
        """Return the region's part of images, float32 (N, C, H, W): a view."""
        if self.region is None:
            return x
        top, left, bottom, right = self.region
        return x[:, :, top:bottom, left:right]

    def on_part(self, part: torch.Tensor, channels: torch.Tensor) -> UnitGradients:
        """Do as a call, from the region's part alone, float32 (N, C, h, w).

        The gradient has the part's shape; outside the part it is zero.
        """
        recording = self._network.record(part, [self._layer])
        values = at_place(recording.activations([self._layer])[self._layer], self._place)
        below = recording.below_rectifier(self._layer)
        diff = unit_diff(below, self._place, channels)
        arrived = recording.backward(self._layer, diff, "grad", [self._network.input_name])
        return UnitGradients(values, at_place(below, self._place), arrived[self._network.input_name])


Position = tuple[int, int] | int | None
"""Row and column of a map; the number of a token; None: the only one."""


def _position(layer: Layer, place: tuple[int, int] | None) -> Position:
    if layer.is_tokens and place is not None:
        return layer.flat_place(*place)
    return place if layer.is_spatial else None


def at_place(layer_values: torch.Tensor, place: Position) -> torch.Tensor:
    """Return a view of every channel's value at the place, float32 (N, channels)."""
    if isinstance(place, int):
        return layer_values[:, place]
    if place is not None:
        return layer_values[:, :, place[0], place[1]]
    return layer_values.flatten(1) if layer_values.ndim == 2 else layer_values[:, 0]


def unit_diff(layer_values: torch.Tensor, place: Position, channels: torch.Tensor) -> torch.Tensor:
    """Return 1 at each picture's own unit (`channels`, int64 (N,)) at the place, else 0: float32, as the values."""
    diff = torch.zeros_like(layer_values)
    at_place(diff, place).scatter_(1, channels.to(diff.device)[:, None], 1)
    return diff
