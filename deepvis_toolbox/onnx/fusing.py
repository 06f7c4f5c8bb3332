"""What exporters take apart, put together again: linear layers with a bias, and norms.

Rectifiers (SiLU, GELU, Hardswish and their like) are found by what they compute, as in every network.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import fx, nn

from deepvis_toolbox.network.layer_nodes import attribute
from deepvis_toolbox.network.operations import called_name
from deepvis_toolbox.onnx.layer_norms import put_norms_together
from deepvis_toolbox.onnx.local_norms import put_local_norms_together


def put_together(graph_module: fx.GraphModule) -> None:
    """Rewrite such operations. Values stay the same."""
    for rewrite in _REWRITES:
        rewrite(graph_module)
    graph_module.graph.eliminate_dead_code()


def _give_biases(graph_module: fx.GraphModule) -> None:
    """Let a linear layer add its own bias."""
    uses: dict[str, int] = {}
    for node in graph_module.graph.nodes:
        if node.op == "call_module":
            uses[str(node.target)] = uses.get(str(node.target), 0) + 1
    for node in list(graph_module.graph.nodes):
        if node.op != "call_function" or called_name(node) != "add" or len(node.args) != 2 or node.kwargs:
            continue
        for layer, added in (node.args, node.args[::-1]):
            if (
                _is_linear_without_bias(layer, graph_module, uses)
                and isinstance(added, fx.Node)
                and added.op == "get_attr"
            ):
                _give_bias(node, layer, added, graph_module)
                break


def _is_linear_without_bias(node: object, graph_module: fx.GraphModule, uses: dict[str, int]) -> bool:
    if not isinstance(node, fx.Node) or node.op != "call_module" or len(node.users) != 1:
        return False
    module = graph_module.get_submodule(str(node.target))
    return isinstance(module, nn.Linear) and module.bias is None and uses[str(node.target)] == 1


def _give_bias(node: fx.Node, layer: fx.Node, added: fx.Node, graph_module: fx.GraphModule) -> None:
    module = graph_module.get_submodule(str(layer.target))
    bias = attribute(graph_module, str(added.target))
    if not isinstance(module, nn.Linear) or tuple(bias.shape) != (module.out_features,):
        return
    module.bias = nn.Parameter(bias, requires_grad=False)
    node.replace_all_uses_with(layer)
    graph_module.graph.erase_node(node)


_REWRITES: tuple[Callable[[fx.GraphModule], None], ...] = (_give_biases, put_norms_together, put_local_norms_together)
