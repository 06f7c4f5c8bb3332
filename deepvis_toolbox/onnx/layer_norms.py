"""Norms over the last axes, written as a chain of means, differences and roots, made modules again."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn

from deepvis_toolbox.network.layer_nodes import attribute
from deepvis_toolbox.network.operations import called_name


def put_norms_together(graph_module: fx.GraphModule) -> None:
    """Make `(x - mean) / sqrt(mean((x - mean)^2) + eps) * weight + bias` a layer norm."""
    for node in list(graph_module.graph.nodes):
        if called_name(node) == "div" and node.op == "call_function" and len(node.args) == 2:
            found = _chain(node)
            if found is not None:
                _rewrite(graph_module, node, *found)


def _chain(node: fx.Node) -> tuple[fx.Node, int, float] | None:
    """Return what is normed, over how many axes, and epsilon."""
    centred, root = node.args
    source = _centred_of(centred)
    if source is None or not isinstance(root, fx.Node) or not isinstance(centred, fx.Node):
        return None
    added = _read_by(root, "sqrt")
    if added is None or called_name(added) != "add" or not isinstance(added.args[1], float):
        return None
    variance = added.args[0]
    axes = _mean_axes(variance)
    squared = variance.args[0] if isinstance(variance, fx.Node) else None
    if axes is None or not isinstance(squared, fx.Node):
        return None
    is_square = (called_name(squared) == "pow" and squared.args[1] == 2 and _same(squared.args[0], centred)) or (
        called_name(squared) == "mul" and all(_same(each, centred) for each in squared.args)
    )
    if not is_square or _mean_axes(centred.args[1]) != axes:
        return None
    return source, len(axes), float(added.args[1])


def _same(one: Any, centred: fx.Node) -> bool:
    """Return whether a node gives the same difference; some exporters write it twice."""
    return one is centred or (isinstance(one, fx.Node) and one.target is centred.target and one.args == centred.args)


def _centred_of(node: Any) -> fx.Node | None:
    if not isinstance(node, fx.Node) or node.op != "call_function" or called_name(node) != "sub" or len(node.args) != 2:
        return None
    source, mean = node.args
    if not isinstance(mean, fx.Node) or _mean_axes(mean) is None or mean.args[0] is not source:
        return None
    return source if isinstance(source, fx.Node) else None


def _mean_axes(node: Any) -> list[int] | None:
    """Return the axes of a mean that keeps them."""
    if not isinstance(node, fx.Node) or node.target is not torch.mean or len(node.args) != 3 or not node.args[2]:
        return None
    return list(node.args[1])  # type: ignore[arg-type]


def _read_by(node: fx.Node, name: str) -> fx.Node | None:
    if node.op != "call_function" or called_name(node) != name or not isinstance(node.args[0], fx.Node):
        return None
    return node.args[0]


def _rewrite(graph_module: fx.GraphModule, node: fx.Node, source: fx.Node, count: int, epsilon: float) -> None:
    sizes = node.meta.get("onnx_shape")
    rank = len(sizes) if sizes else 0
    mean = node.args[0].args[1]  # type: ignore[union-attr]
    if not rank or sorted(_mean_axes(mean) or []) != list(range(rank - count, rank)):
        return
    shape = list(sizes[rank - count :])  # type: ignore[index]
    last, weight = _by_constant(graph_module, node, "mul", shape)
    last, bias = _by_constant(graph_module, last, "add", shape) if weight is not None else (last, None)
    made = nn.LayerNorm(shape, epsilon, elementwise_affine=weight is not None, bias=bias is not None)
    for name, tensor in (("weight", weight), ("bias", bias)):
        if tensor is not None:
            setattr(made, name, nn.Parameter(tensor, requires_grad=False))
    number = 0
    while hasattr(graph_module, f"layer_norm_{number}"):
        number += 1
    graph_module.add_module(f"layer_norm_{number}", made.eval())
    with graph_module.graph.inserting_after(last):
        new = graph_module.graph.call_module(f"layer_norm_{number}", (source,))
    new.meta |= last.meta
    last.replace_all_uses_with(new)


def _by_constant(
    graph_module: fx.GraphModule, node: fx.Node, name: str, shape: list[int]
) -> tuple[fx.Node, torch.Tensor | None]:
    """Return the one reader of a node that multiplies or adds a constant of this shape, and the constant."""
    if len(node.users) != 1:
        return node, None
    (reader,) = node.users
    if reader.op != "call_function" or called_name(reader) != name or len(reader.args) != 2:
        return node, None
    other = reader.args[1] if reader.args[0] is node else reader.args[0]
    if not isinstance(other, fx.Node) or other.op != "get_attr":
        return node, None
    tensor = attribute(graph_module, str(other.target))
    return (reader, tensor) if list(tensor.shape) == shape else (node, None)
