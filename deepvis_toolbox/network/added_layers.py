"""Layers of a user's own: directions in a layer's space (concepts, probes, components, dictionaries) become its units.

An added layer reads the value of its host, behind its rectifier, at every place or token by itself; nothing of the
network reads it, so that the network computes what it computed before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from deepvis_toolbox.errors import ToolboxError, nearest_name
from deepvis_toolbox.free_memory import free_memory
from deepvis_toolbox.network.graph_layers import GraphLayers
from deepvis_toolbox.words.images import Floats
from deepvis_toolbox.words.layer import Layer

ENCODERS = ("linear", "relu", "topk:k")
"""What becomes of a unit's product: itself; nothing below 0; of a place's units only the k largest, none below 0."""

_NAME = re.compile(r"[\w-]{1,64}")
_TOP = re.compile(r"topk:([1-9][0-9]{0,6})")
_MODULES = "added_layers_of_the_toolbox"
"""Where a graph's module keeps the modules of added layers."""


@dataclass(frozen=True, eq=False)
class AddedLayer:
    """K directions on a layer of C units, which become the units of a layer `LAYER/NAME`.

    `layer`: the host's name; `name`: letters, digits, `_` and `-`. `directions`: float32 (K, C); `bias`: (K,), or None.
    A unit is encoder(directions · value + bias), `value` (C,) at a place. `encoder`: one of `ENCODERS`. `unit_names`: a
    name for each unit, or none. Raises `ToolboxError` for what does not fit together.
    """

    layer: str
    name: str
    directions: Floats
    bias: Floats | None = None
    encoder: str = "linear"
    unit_names: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ToolboxError(f'"{self.name}" is no name of an added layer; take up to 64 letters, digits, _ and -')
        directions = _finite(self.directions, "directions", self.name)
        if directions.ndim != 2 or not directions.size:
            shape = "×".join(map(str, directions.shape)) or "one number"
            raise ToolboxError(f'the directions of the added layer "{self.name}" are {shape}, not units × channels')
        units = len(directions)
        bias = None if self.bias is None else _finite(self.bias, "bias", self.name)
        if bias is not None and bias.shape != (units,):
            raise ToolboxError(
                f'the bias of the added layer "{self.name}" is {bias.shape}, not one for each of {units}'
            )
        names = tuple(map(str, self.unit_names))
        if names and len(names) != units:
            raise ToolboxError(f'the added layer "{self.name}" has {len(names)} names for its {units} units')
        for key, value in (("directions", directions), ("bias", bias), ("unit_names", names)):
            object.__setattr__(self, key, value)
        if self.top is not None and self.top > units:
            raise ToolboxError(f'the encoder {self.encoder} of the added layer "{self.name}" has only {units} units')

    @property
    def top(self) -> int | None:
        """How many units of a place the encoder leaves; None where it leaves all. `ToolboxError` where it is none."""
        match = _TOP.fullmatch(str(self.encoder))
        if match is None and self.encoder not in ENCODERS[:2]:
            hint = nearest_name(str(self.encoder), ENCODERS)
            raise ToolboxError(
                f'the added layer "{self.name}" has the encoder "{self.encoder}"; it is one of linear, relu and '
                f"topk:k with a number for k{hint if hint[-5:-2] != 'k:k' else ''}"
            )
        return int(match[1]) if match else None

    def modules(self, host: Layer) -> list[nn.Module]:
        """Return what computes it from the host's value, one after the other; `ToolboxError` where it does not fit."""
        own = "×".join(map(str, host.shape))
        if len(host.shape) > 3:
            raise ToolboxError(
                f'"{self.name}" cannot be added to "{host.name}" ({own}): it has neither maps nor tokens'
            )
        units, channels = self.directions.shape
        if channels != host.channels:
            raise ToolboxError(
                f'the directions of the added layer "{self.name}" have {channels} values each, but the layer '
                f'"{host.name}" has {host.channels} units'
            )
        needed = 4 * units * int(np.prod(host.map_shape))
        if needed > free_memory() // 4:
            raise ToolboxError(
                f'the added layer "{self.name}" takes {needed >> 20} MiB for one image on "{host.name}" ({own}), more '
                "than a quarter of the memory that is free; take fewer units, or a layer of fewer places"
            )
        is_spatial = len(host.shape) == 3
        product = nn.Conv2d(channels, units, 1) if is_spatial else nn.Linear(channels, units)
        weight = torch.tensor(self.directions)
        product.weight = nn.Parameter(weight[:, :, None, None] if is_spatial else weight)
        product.bias = None if self.bias is None else nn.Parameter(torch.tensor(self.bias))
        found: list[nn.Module] = [product]
        if self.encoder != "linear":
            found.append(nn.ReLU())
        if self.top is not None:
            found.append(TopUnits(self.top, 1 if is_spatial else -1))
        return found


class TopUnits(nn.Module):
    """Leaves the largest units of every place, and sets the others to 0; backprop's derivative."""

    kind = "topk"
    elementwise = True
    """Of the places: each is computed from itself alone."""

    def __init__(self, count: int, axis: int) -> None:
        super().__init__()
        self.count, self.axis = count, axis

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a tensor of the shape of `x`, float32 (N, K, H, W), (N, T, K) or (N, K)."""
        values, units = x.topk(self.count, dim=self.axis, sorted=False)
        return torch.zeros_like(x).scatter(self.axis, units, values)


def add_to_graph(
    graph_module: fx.GraphModule, described: GraphLayers, added: AddedLayer
) -> dict[fx.Node, torch.Tensor]:
    """Put an added layer's nodes behind its host's; return them with tensors, float32 (1, …), of the device meta.

    `ToolboxError` where the host is not there, does not fit, or has a layer of that name already.
    """
    host = described.layers[described.layers.canonical(added.layer)]
    name = f"{host.name}/{added.name}"
    if name in described.layers:
        raise ToolboxError(f'there is a layer "{name}" already; give the added layer another name (LAYER/NAME=FILE)')
    modules = added.modules(host)
    if not hasattr(graph_module, _MODULES):
        graph_module.add_module(_MODULES, nn.ModuleList())
    kept = graph_module.get_submodule(_MODULES)
    assert isinstance(kept, nn.ModuleList)
    last = described.nodes[host.name].value
    found: dict[fx.Node, torch.Tensor] = {}
    like = torch.empty((1, *host.shape), device="meta")
    after = _last_added(last)
    for module in modules:
        like = _meta_of(module, like)
        kept.append(module.requires_grad_(False).eval())
        with graph_module.graph.inserting_after(after):
            last = after = graph_module.graph.call_module(f"{_MODULES}.{len(kept) - 1}", (last,))
        last.meta |= {"layer": name, "added_to": host.name, "unit_names": added.unit_names}
        found[last] = like
    return found


def is_added_module(name: str) -> bool:
    """Return whether a tensor of this name is an added layer's, not the network's."""
    return name.startswith(f"{_MODULES}.")


def _last_added(host: fx.Node) -> fx.Node:
    """Return the node that the next added layer's come behind, so that they lie in the order in which they came."""
    last = host
    while last.next.meta.get("added_to"):
        last = last.next
    return last


def _meta_of(module: nn.Module, like: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode(False), torch.no_grad():
        return torch.func.functional_call(module, {k: v.to("meta") for k, v in module.state_dict().items()}, (like,))


def _finite(values: Any, what: str, name: str) -> Floats:
    try:
        found = np.ascontiguousarray(values, np.float32)
    except (TypeError, ValueError, OverflowError):
        raise ToolboxError(f'the {what} of the added layer "{name}" is no array of numbers') from None
    if not np.isfinite(found).all():
        raise ToolboxError(f'the {what} of the added layer "{name}" holds NaN or infinite numbers')
    return found
