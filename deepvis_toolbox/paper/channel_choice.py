"""One channel's maps over several pictures, and which channel tells them apart most (the paper's figure 2)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.paper.study import Study
from deepvis_toolbox.words.layer import Layer
from deepvis_toolbox.words.unit import Unit

FINE = 12
"""Places a side: maps this fine show where in a picture something is; the paper's have 13."""


def mapped_layer(study: Study) -> Layer:
    """Return the last layer with fine maps; without any, the last with maps. `ToolboxError` where there is none."""
    with_places = [layer for layer in study.net.layers.values() if layer.has_places and layer.kind != "input"]
    if not with_places:
        raise ToolboxError(f"{study.net.name} has no layer with maps")
    fine = [layer for layer in with_places if min(layer.map_shape) >= FINE]
    return (fine or with_places)[-1]


def channel_largest(net: Network, batches: Iterable[torch.Tensor], layer: Layer) -> NDArray[np.float32]:
    """Return the largest activation of every channel on every picture, float32 (N, C)."""
    return np.concatenate([_maps(net, x, layer).amax((2, 3)).numpy() for x in batches])


def channel_maps(net: Network, batches: Iterable[torch.Tensor], layer: Layer, channel: int) -> NDArray[np.float32]:
    """Return one channel's maps, float32 (N, H, W)."""
    return np.concatenate([_maps(net, x, layer)[:, channel].numpy() for x in batches])


def telling_channel(largest: NDArray[np.float32]) -> int:
    """Return the channel whose largest activations, (N, C), differ most from picture to picture: of the largest
    standard deviation, the first of equal ones."""
    return int(np.nan_to_num(largest.std(0)).argmax())


def chosen_unit(study: Study) -> tuple[Layer, int | None]:
    """Return the layer, and the channel where one was named that has maps."""
    named: list[Unit] = [unit for unit in study.chosen_units if study.net.layers[unit.layer].has_places]
    if named:
        return study.net.layers[named[0].layer], named[0].channel
    return mapped_layer(study), None


def _maps(net: Network, x: torch.Tensor, layer: Layer) -> torch.Tensor:
    """Return a layer's maps, float32 (N, C, H, W), on the CPU; those of tokens in their grid."""
    values = net.forward(x, [layer.name])[layer.name].detach().to("cpu", torch.float32)
    if layer.is_tokens:
        rows, columns = layer.map_shape
        grid = values[:, values.shape[1] - rows * columns :]
        return grid.transpose(1, 2).reshape(values.shape[0], -1, rows, columns)
    return values
