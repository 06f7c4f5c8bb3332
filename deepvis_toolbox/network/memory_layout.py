"""Maps and kernels lie channels-last in memory, where PyTorch is quicker; but for what a user wrote, as in plain torch.

A user's code may look at the memory: `x.view(n, -1)` is not defined for channels-last images.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from deepvis_toolbox.network.plain_modules import runs_users_code


def lay_out_channels_last(graph_module: fx.GraphModule) -> None:
    """Lay out every kernel; PyTorch's own call fails where a module holds tensors of five axes."""
    modules = dict(graph_module.named_modules())
    called = [modules[str(node.target)] for node in graph_module.graph.nodes if node.op == "call_module"]
    of_user = {
        id(tensor)
        for module in called
        if runs_users_code(module)
        for tensor in (*module.parameters(), *module.buffers())
    }
    for tensor in (*graph_module.parameters(), *graph_module.buffers()):
        if tensor.ndim == 4 and id(tensor) not in of_user:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)


def lay_out_as_torch(module: torch.nn.Module) -> None:
    """Take the layout away again, of a module that shares the kernels."""
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data = tensor.data.contiguous()


def reading_contiguous(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return what a node calls, which then reads tensors as they lie in plain torch."""

    def reading(*given: Any, **named: Any) -> Any:
        given, named = fx.node.map_aggregate((given, named), contiguous)
        return call(*given, **named)

    return reading


def contiguous(value: Any) -> Any:
    """Return a tensor, of any shape and dtype, laid out row by row; anything else as it is.

    That of a single image may be contiguous and yet tell another stride along the batch; it is copied then.
    """
    if not isinstance(value, torch.Tensor):
        return value
    if value.ndim and value.shape[0] == 1 and value.stride(0) != value.numel():
        return value.clone(memory_format=torch.contiguous_format)
    return value.contiguous()
