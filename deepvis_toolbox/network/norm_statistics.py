"""What batch norms keep of the pictures that a network was trained on: each channel's mean and deviation.

A batch norm gives (x - mean) / deviation * gamma + beta, with the mean and deviation of x over the training pictures.
So over those pictures what it gives has the mean beta and the deviation |gamma|, also where it is folded into the
convolution below (Yin et al., DeepInversion, 2020).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import fx, nn

from deepvis_toolbox.network.layer_nodes import LayerNodes


class NormStatistics(NamedTuple):
    """Of a layer's values below its rectifier, over places and training pictures."""

    mean: torch.Tensor
    """float32 (units,)."""
    deviation: torch.Tensor
    """float32 (units,), not negative."""
    is_rectified: bool
    """Whether the layer has a rectifier behind the norm."""


def statistics_of(graph_module: fx.GraphModule, nodes: Mapping[str, LayerNodes]) -> dict[str, NormStatistics]:
    """Return the statistics of the layers whose value below the rectifier is a batch norm's with learnt statistics."""
    modules = dict(graph_module.named_modules())
    return dict(_found(modules, nodes))


def _found(modules: Mapping[str, nn.Module], nodes: Mapping[str, LayerNodes]) -> Iterator[tuple[str, NormStatistics]]:
    for name, own in nodes.items():
        norm = modules.get(str(own.below.target)) if own.below.op == "call_module" else None
        if isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.affine:
            mean, deviation = norm.bias.detach().clone(), norm.weight.detach().abs()
            yield name, NormStatistics(mean, deviation, own.below is not own.value)
