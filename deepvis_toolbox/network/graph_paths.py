"""Paths of a graph's modules and tensors that torch.fx would take for its own."""

from __future__ import annotations

from functools import cache

from torch import fx, nn


def move_clashing(graph: fx.Graph, root: nn.Module) -> None:
    """Give parts of the root that are called as what an fx.GraphModule has itself, `graph` or `code`, a second name.

    Nodes read them by that one, `graph_`; the root keeps the first too, for its own forward.
    """
    for node in graph.nodes:
        if node.op not in ("call_module", "get_attr"):
            continue
        first, dot, rest = str(node.target).partition(".")
        if first in _taken():
            node.target = _second_name(root, first) + dot + rest


def _second_name(root: nn.Module, name: str) -> str:
    part, second = getattr(root, name), f"{name}_"
    while getattr(root, second, part) is not part:
        second += "_"
    if not hasattr(root, second):
        setattr(root, second, part)
    return second


@cache
def _taken() -> frozenset[str]:
    return frozenset(dir(fx.GraphModule(nn.Module(), fx.Graph())))
