"""Batch norm whose gradient is right for one image, whatever the layout of what it reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from deepvis_toolbox.network.operations import called_name

BATCH_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)


def settled(x: torch.Tensor) -> torch.Tensor:
    """Return a map, float32 (N, C, H, W), that batch norm may read while a gradient is recorded: itself, or a copy.

    A view of a single image in channels-last tells another stride along the batch than the image itself. PyTorch's
    (2.13, CPU) gradient of batch norm then has its channels and places mixed up.
    """
    if x.ndim == 4 and x.shape[0] == 1 and x.requires_grad and x.stride(0) != x.numel():
        return x.clone(memory_format=torch.channels_last)
    return x


def reading_settled(node: fx.Node, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return what a node calls; where that is batch norm, it reads its input through `settled`."""
    is_module = isinstance(call, BATCH_NORMS)
    if not is_module and not (node.op == "call_function" and called_name(node) == "batch_norm"):
        return call
    return lambda x, *rest, **named: call(settled(x), *rest, **named)


def settle_inner_norms(graph_module: fx.GraphModule) -> None:
    """Let the batch norms inside of modules that are kept as one layer read their input through `settled`."""
    modules = dict(graph_module.named_modules())
    kept = {modules[str(node.target)] for node in graph_module.graph.nodes if node.op == "call_module"}
    inner = {
        part for module in kept for part in module.modules() if part is not module and isinstance(part, BATCH_NORMS)
    }
    for norm in inner - kept:
        norm.register_forward_pre_hook(lambda _, given: (settled(given[0]), *given[1:]), prepend=False)
