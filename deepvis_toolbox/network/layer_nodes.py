"""Which nodes of a graph make each layer: where its value is, and the node below its rectifier."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx, nn

from deepvis_toolbox.network.attention import tells_attention
from deepvis_toolbox.network.operations import Operation, Window, operation_of
from deepvis_toolbox.network.token_grids import with_token_grids
from deepvis_toolbox.words.layer import Layer

_DRESSING = frozenset({"pad", "norm", "scale", "bias", "dropout", "identity", "slice", "flatten", "reshape"})
"""Kinds that say less about a layer of several operations than the others do."""


@dataclass(frozen=True)
class LayerNodes:
    """`value` computes the layer's activations; a backward pass starts and arrives at `below`."""

    value: fx.Node
    below: fx.Node


def operation(node: fx.Node) -> Operation:
    """Return the node's classification, as `classify` left it."""
    found: Operation = node.meta["operation"]
    return found


def classify(graph_module: fx.GraphModule, only: Collection[fx.Node] | None = None) -> None:
    """Note on every node, or on those of `only`, what operation it is. Constants' shapes first: a convolution's window
    needs them."""
    modules = dict(graph_module.named_modules())
    for node in graph_module.graph.nodes if only is None else only:
        if node.op == "get_attr":
            node.meta["value_shape"] = getattr(attribute(graph_module, str(node.target)), "shape", None)
        found = operation_of(node, modules)
        if node.meta.get("keeps_places"):  # as a convolution of 1×1 does
            found = replace(found, elementwise=False, window=Window((1, 1)))
        node.meta["operation"] = found
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            node.meta["depthwise"] = True


def note_values(values: Mapping[fx.Node, Any]) -> None:
    """Note on every node what its value for one image is like: a tensor's shape, tensors in a list, or numbers."""
    for node, value in values.items():
        if isinstance(value, torch.Tensor):
            node.meta["value_shape"] = tuple(value.shape)
        elif isinstance(value, (tuple, list)) and any(isinstance(part, torch.Tensor) for part in value):
            node.meta["holds_tensors"] = True
        elif isinstance(value, (int, float, tuple, list)):
            node.meta["number"] = value


def attribute(module: nn.Module, path: str) -> Any:
    """Return the parameter, buffer or plain attribute at a dotted path."""
    found: Any = module
    for part in path.split("."):
        found = getattr(found, part)
    return found


def layer_table(
    graph_module: fx.GraphModule, values: Mapping[fx.Node, Any]
) -> tuple[list[Layer], dict[str, LayerNodes]]:
    """Return the layers in order of computation, the input first, and their nodes. `values`: what each node gave for
    one image (1, …)."""
    chains: dict[str, list[fx.Node]] = {}
    for node in graph_module.graph.nodes:
        if "layer" in node.meta:
            chains.setdefault(node.meta["layer"], []).append(node)
    modules = dict(graph_module.named_modules())
    position = {node: index for index, node in enumerate(graph_module.graph.nodes)}

    def end(item: tuple[str, list[fx.Node]]) -> int:
        chain = item[1]
        return -1 if chain[0].op == "placeholder" else position[chain[-1]]

    layers, nodes = [], {}
    for name, chain in sorted(chains.items(), key=end):
        top = chain[-1]
        value = values.get(top)
        if not isinstance(value, torch.Tensor) or value.ndim < 2 or not value.is_floating_point():
            continue  # sizes, lists of parts, indices: nothing that has units
        computing = [node for node in chain if "moved" not in node.meta]
        rectified = [node for node in computing if operation(node).rectifier]
        entered = [node for node in computing if node in rectified or node.meta.get("enters_below")]
        below = _with_the_batch_in_front(entered[0].all_input_nodes[0]) if entered else top
        last_rectifies = len(rectified) == 1 and rectified[0] is computing[-1]
        rectifier = operation(rectified[0]).rectifier if last_rectifies else ""
        added: dict[str, Any] = {key: top.meta[key] for key in ("added_to", "unit_names") if key in top.meta}
        kind, shape = _kind_of(computing), tuple(value.shape[1:])
        own = top.meta.get("moved", top)
        added["attends_in_windows"] = "windows" in own.meta
        is_of_windows = top.meta.get("is_windows") or own.meta.get("is_of_windows")
        attending = tells_attention(own, kind, shape, modules) and not is_of_windows
        added["tells_attention"] = attending
        added["heads"] = shape[0] if attending and len(shape) == 3 else top.meta.get("heads", 0)
        grid = top.meta.get("token_grid") if len(shape) == 2 else None
        layers.append(Layer(name, kind, shape, rectifier, grid=grid, **added))
        nodes[name] = LayerNodes(top, below)
    return with_token_grids(layers), nodes


def _with_the_batch_in_front(node: fx.Node) -> fx.Node:
    front: fx.Node = node.meta.get("moved_back", node)
    return front


def copied(node: fx.Node) -> fx.Node | None:
    """Return what a layer is a copy of, in another order: windows or heads that are joined; None for all others."""
    source: fx.Node | None = node.meta["moved"] if node.meta.get("is_copy") else None
    return source


def _kind_of(chain: list[fx.Node]) -> str:
    kinds = [operation(node).kind for node in chain]
    telling = [kind for kind in kinds if kind not in _DRESSING]
    return (telling or kinds)[0]


def needed_for(wanted: Iterable[fx.Node], known: Collection[fx.Node] = ()) -> set[fx.Node]:
    """Return these nodes and all below them, as far as they are not known, nor needed for known ones alone."""
    needed: set[fx.Node] = set()
    waiting = list(wanted)
    while waiting:
        node = waiting.pop()
        if node not in needed and node not in known:
            needed.add(node)
            waiting.extend(node.all_input_nodes)
    return needed


def depending_on(nodes: Iterable[fx.Node]) -> set[fx.Node]:
    """Return all nodes that are computed from these, without themselves where none is computed from another."""
    above: set[fx.Node] = set()
    waiting = [reader for node in nodes for reader in node.users]
    while waiting:
        node = waiting.pop()
        if node not in above:
            above.add(node)
            waiting.extend(node.users)
    return above


def reachable(origin: LayerNodes, layers: Mapping[str, LayerNodes]) -> set[str]:
    """Return the names of those layers that a signal from the origin may reach, to be told by their value below alone.

    A rectifier above the origin, or beside it, is not among them, though its value below may be the origin's own.
    """
    rectified = {name for name, nodes in layers.items() if nodes.value is not nodes.below}
    under_origin = needed_for([origin.value]) if rectified else set()
    return {name for name, nodes in layers.items() if name not in rectified or nodes.value in under_origin}
