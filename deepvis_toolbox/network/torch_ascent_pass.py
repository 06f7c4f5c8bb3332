"""Ascent passes on the torch engine: by autograd, on the crop of the image that the units can see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

from deepvis_toolbox.network.ascent_pass import AscentPass, Recorder, UnitGradients, at_place, unit_diff
from deepvis_toolbox.network.cropping import Crop, unit_crop
from deepvis_toolbox.network.execution import Values
from deepvis_toolbox.network.full_precision import full_precision
from deepvis_toolbox.network.layer_nodes import LayerNodes
from deepvis_toolbox.network.promise import noise as noise_images

_TOLERANCE = 1e-4


class GradientRunner(Recorder, Protocol):
    """What an ascent pass by autograd asks of a network besides: its graph's nodes, and their values for a gradient."""

    device: torch.device
    input_shape: tuple[int, int, int]

    def nodes_of(self, layer: str) -> LayerNodes:
        """Return the graph's nodes that make a layer."""

    def run_for_gradient(self, nodes: LayerNodes) -> Callable[[torch.Tensor], tuple[torch.Tensor, Values]]:
        """Return what computes a layer for images of any size, float32 (N, C, H, W).

        It gives a copy of them that autograd follows, and the values.
        """


class TorchAscentPass(AscentPass):
    """By autograd alone, without what a recording keeps for other questions; on a crop where there is one."""

    def __init__(self, network: GradientRunner, layer: str, place: tuple[int, int] | None, crop: Crop | None) -> None:
        super().__init__(network, layer, place)
        self._device = network.device
        self._nodes = network.nodes_of(layer)
        self._run = network.run_for_gradient(self._nodes)
        if crop is not None:
            self.region, self._place = crop

    def on_part(self, part: torch.Tensor, channels: torch.Tensor) -> UnitGradients:
        """Do as the base class says."""
        with torch.inference_mode(False), torch.enable_grad(), full_precision(self._device):
            leaf, values = self._run(part)
            value, below = values[self._nodes.value].detach(), values[self._nodes.below]
            diff = unit_diff(below, self._place, channels)
            gradient = torch.autograd.grad(below, leaf, diff, allow_unused=True)[0] if below.requires_grad else None
        gradient = torch.zeros_like(leaf) if gradient is None else gradient
        return UnitGradients(at_place(value, self._place), at_place(below.detach(), self._place), gradient)


def ascent_pass_on_torch(network: GradientRunner, layer: str, place: tuple[int, int] | None) -> AscentPass:
    """Run on a crop where that computes the same as the whole image (tried once, on noise), else on the whole image."""
    full = TorchAscentPass(network, layer, place, None)
    if place is None or not network.layers[layer].is_spatial:
        return full
    crop = unit_crop(network.nodes_of(layer).value, place, network.input_shape)
    if crop is None:
        return full
    cropped = TorchAscentPass(network, layer, place, crop)
    return cropped if _agree(full, cropped, network) else full


def _agree(full: AscentPass, cropped: AscentPass, network: GradientRunner) -> bool:
    noise = noise_images(1, network.input_shape).to(network.device)
    first_unit = torch.zeros(1, dtype=torch.int64)
    try:
        found = cropped(noise, first_unit)
    except (RuntimeError, IndexError):  # branches whose sizes differ on a crop
        return False
    wanted = full(noise, first_unit)
    return all(
        a.shape == b.shape and bool((a - b).abs().max() <= _TOLERANCE * b.abs().max())
        for a, b in zip(found, wanted, strict=True)
    )
