"""Maps whose channels are the last axis (N, H, W, C), as ConvNeXt and Swin hold them: their layers lead with channels.

Where channels are last is known by what is computed: a permutation of a map, a linear layer or a layer norm over the
last axis, and whatever works value by value on these. A linear layer along the width of a map that a convolution or a
pooling gave leaves its channels where they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import fx, nn

from deepvis_toolbox.network.execution import Values
from deepvis_toolbox.network.operations import Operation, called_name, operation_of

_TO_LAST, _TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def show_channels_first(graph_module: fx.GraphModule, values: Values) -> None:
    """Put a pair of permutations behind every layer whose channels are last; the layer is the value between them.

    `values`: every node's value for one image, (1, …); those of nodes that are made here are added. Notes on nodes
    which of them hold channels last, or first as far as that is known, and which keep every place where it is.
    """
    modules = dict(graph_module.named_modules())
    for node in graph_module.graph.nodes:
        if _is_map(values.get(node)):
            _note_axes(node, values, modules)
    found = [node for node in graph_module.graph.nodes if node.meta.get("channels_last") and "layer" in node.meta]
    for node in found:
        _lead_with_channels(node, values)
    if found:
        graph_module.graph.lint()
        graph_module.recompile()


def _is_map(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim == 4 and value.is_floating_point()


def _note_axes(node: fx.Node, values: Values, modules: Mapping[str, nn.Module]) -> None:
    parents = [parent for parent in node.all_input_nodes if _is_map(values.get(parent))]
    are_last = any(parent.meta.get("channels_last") for parent in parents)
    are_first = any(parent.meta.get("channels_first") for parent in parents) and not are_last
    order, operation = _permutation(node), operation_of(node, modules)
    if order == _TO_LAST and parents and not are_last:
        node.meta |= {"channels_last": True, "keeps_places": True}
    elif order == _TO_FIRST and are_last:
        node.meta |= {"channels_first": True, "keeps_places": True}
    elif works_on_the_last_axis(node, modules):
        node.meta |= {"channels_first": True} if are_first else {"channels_last": True, "keeps_places": are_last}
    elif are_last and operation.elementwise:
        node.meta["channels_last"] = True
    elif not are_last and (_takes_channels_first(operation) or (are_first and _leaves_channels(operation, order))):
        node.meta["channels_first"] = True


def _takes_channels_first(operation: Operation) -> bool:
    slides = operation.kind == "pool" and (operation.window is not None or operation.adaptive)
    return slides or operation.kind in ("input", "conv", "lrn")


def _leaves_channels(operation: Operation, order: tuple[int, ...]) -> bool:
    return operation.elementwise or order[1:2] == (1,)


def _permutation(node: fx.Node) -> tuple[int, ...]:
    """Return the order in which a node puts the axes of what it reads; empty where it does nothing of the kind."""
    if node.op not in ("call_function", "call_method") or called_name(node) != "permute":
        return ()
    given: Any = node.args[1:] or (node.kwargs.get("dims", ()),)
    axes = given[0] if len(given) == 1 else given
    known = isinstance(axes, (tuple, list)) and all(isinstance(axis, int) for axis in axes)
    return tuple(axis % len(axes) for axis in axes) if known else ()


def works_on_the_last_axis(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    """Return whether a node is a linear layer, or a layer norm, over the last axis alone."""
    module = modules.get(str(node.target)) if node.op == "call_module" else None
    if module is not None:
        norm = isinstance(module, nn.LayerNorm) and len(module.normalized_shape) == 1
        return norm or isinstance(module, nn.Linear)
    if node.op != "call_function" or called_name(node) not in ("linear", "layer_norm"):
        return False
    shape: Any = node.args[1] if len(node.args) > 1 else node.kwargs.get("normalized_shape")
    return called_name(node) == "linear" or (isinstance(shape, (tuple, list)) and len(shape) == 1)


def _lead_with_channels(node: fx.Node, values: Values) -> None:
    graph, readers = node.graph, list(node.users)
    with graph.inserting_after(node):
        front = graph.call_function(torch.permute, (node, _TO_FIRST))
    with graph.inserting_after(front):
        behind = graph.call_function(torch.permute, (front, _TO_LAST))
    for reader in readers:
        reader.replace_input_with(node, behind)
    line = node.meta.get("line")
    front.meta = {"layer": node.meta["layer"], "moved": node, "line": line, "keeps_places": True}
    behind.meta = {"moved_back": front, "line": line, "channels_last": True, "keeps_places": True}
    values[front], values[behind] = values[node].permute(_TO_FIRST), values[node]
