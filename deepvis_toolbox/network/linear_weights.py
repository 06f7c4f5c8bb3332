"""The weights between two layers, whatever makes them: the derivative along the graph with rectifiers held open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import fx, nn

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.layer_nodes import LayerNodes, operation
from deepvis_toolbox.network.operations import called_name

_LINEAR = frozenset({"conv", "linear", "pad", "dropout", "identity", "flatten"})
_POOLS = (nn.AvgPool2d, nn.AdaptiveAvgPool2d)


def weights_between(
    module: fx.GraphModule, start: fx.Node, end: fx.Node, shape: tuple[int, ...], unit: int
) -> tuple[torch.Tensor, bool]:
    """Return what one unit of `end`, in the middle of its map, takes from each value of `start`, whose values have the
    shape (1, …): float32 of that shape without the first axis; and whether a rectifier lies between.

    `ToolboxError` where what lies between is more than convolutions, products, batch norms, mean pools and rectifiers.
    """
    path = _path(module, start, end)
    runner = fx.Interpreter(module)
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    with torch.inference_mode(False), torch.enable_grad():
        leaf = torch.zeros(shape, device=device, requires_grad=True)
        runner.env = {start: leaf}
        rectified = False
        for node in path:
            is_open = bool(operation(node).rectifier)
            rectified |= is_open
            runner.env[node] = runner.env[node.all_input_nodes[0]] if is_open else runner.run_node(node)
        out = runner.env[end][0, unit]
        middle = out[tuple(size // 2 for size in out.shape)]
        (found,) = torch.autograd.grad(middle, leaf)
    return found[0].detach(), rectified


def _path(module: fx.GraphModule, start: fx.Node, end: fx.Node) -> list[fx.Node]:
    """Return the nodes behind `start` up to `end`, in order, the attributes that they read among them."""
    modules = dict(module.named_modules())
    wanted: set[fx.Node] = set()
    waiting = [end] if end is not start else []
    while waiting:
        node = waiting.pop()
        if node in wanted:
            continue
        wanted.add(node)
        if node.op == "get_attr":
            continue
        if not _is_linear(node, modules):
            kind = operation(node).kind
            raise ToolboxError(f"its weights are no simple product: a {kind or node.name} lies between the layers")
        waiting += [each for each in node.all_input_nodes if each is not start]
    return [node for node in module.graph.nodes if node in wanted]


def _is_linear(node: fx.Node, modules: Mapping[str, Any]) -> bool:
    described = operation(node)
    if described.kind in _LINEAR or described.rectifier or (described.kind == "reshape" and described.window):
        return True
    own = modules.get(str(node.target)) if node.op == "call_module" else None
    if described.kind == "norm":
        return isinstance(own, nn.modules.batchnorm._BatchNorm) or (own is None and called_name(node) == "batch_norm")
    return described.kind == "pool" and isinstance(own, _POOLS)


def depthwise_source(nodes: LayerNodes, of_node: Mapping[fx.Node, str]) -> str | None:
    """Return the layer that a layer of one convolution for each channel by itself reads; None for any other layer."""
    node, seen = nodes.value, False
    while not (seen and node in of_node) and node.all_input_nodes:
        seen |= bool(node.meta.get("depthwise"))
        if node.meta.get("depthwise") or operation(node).elementwise or operation(node).kind == "pad":
            node = node.all_input_nodes[0]
        else:
            return None
    return of_node.get(node) if seen else None
