"""The shapes of everything that a graph computes, found without weights and without computing."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from deepvis_toolbox.errors import ToolboxError


class _Keeper(fx.Interpreter):
    """Runs a graph and keeps what each node gives."""

    def __init__(self, graph_module: fx.GraphModule) -> None:
        super().__init__(graph_module)
        self.values: dict[fx.Node, Any] = {}

    def run_node(self, node: fx.Node) -> Any:
        value = super().run_node(node)
        if node.op != "output":
            self.values[node] = value
        return value


def values_without_data(graph_module: fx.GraphModule, input_shape: tuple[int, int, int]) -> dict[fx.Node, Any]:
    """What each node gives for one image of `input_shape` (C, H, W): tensors that have shapes and no data.

    `graph_module` has all its parameters on the device meta, as `graph_of(…, hollow=True)` makes them.
    """
    keeper = _Keeper(graph_module)
    try:
        with torch.inference_mode():
            keeper.run(torch.empty((1, *input_shape), device="meta"))
    except RuntimeError as error:
        reason = (str(error).splitlines() or ["no message"])[0]
        raise ToolboxError(f"the network cannot be described: {reason}; please report it with the prototxt") from error
    return keeper.values
