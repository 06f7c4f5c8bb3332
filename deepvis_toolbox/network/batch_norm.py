"""Norms whose gradient is right for one image, whatever the layout of what they read and of the signal from above.

A view of a single image in channels-last tells another stride along the batch than the image itself. Where PyTorch's
(2.13, CPU) gradient of batch norm meets one, as input or as signal, it mixes up channels and places. Instance norm is
computed by a batch norm that reads such a view.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from deepvis_toolbox.network.operations import called_name

Settle = Callable[[torch.Tensor], torch.Tensor]


def settled(x: torch.Tensor) -> torch.Tensor:
    """Return values, float32 (N, C, H, W), or a copy of them that is laid out as an image of its own."""
    if x.ndim == 4 and x.shape[0] == 1 and x.stride(0) != x.numel():
        return x.clone(memory_format=torch.channels_last)
    return x


def channels_apart(x: torch.Tensor) -> torch.Tensor:
    """Return values, float32 (N, C, H, W); of one image a copy with channel after channel, of which a view is laid out
    alike."""
    return x.contiguous() if x.ndim == 4 and x.shape[0] == 1 else x


_MODULES: dict[type[nn.Module], Settle] = {
    nn.BatchNorm2d: settled,
    nn.SyncBatchNorm: settled,
    nn.InstanceNorm2d: channels_apart,
}
_CALLS: dict[str, Settle] = {"batch_norm": settled, "instance_norm": channels_apart}


def with_settled_signals(node: fx.Node, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return what a node calls; where that is a batch or instance norm and a gradient is recorded, both what it reads
    and the signal that comes back to it are laid out so that the gradient is right."""
    settle = _CALLS.get(called_name(node)) if node.op == "call_function" else _settle_of(call)
    if settle is None:
        return call

    def settled_call(*given: Any, **named: Any) -> Any:
        if not torch.is_grad_enabled():
            return call(*given, **named)
        if given:
            given = (settle(given[0]), *given[1:])
        else:
            named["input"] = settle(named["input"])
        return _with_settled_signal(call(*given, **named), settle)

    return settled_call


def settle_inner_norms(graph_module: fx.GraphModule) -> None:
    """Do the same for the norms inside of modules that are kept as one layer."""
    modules = dict(graph_module.named_modules())
    kept = {modules[str(node.target)] for node in graph_module.graph.nodes if node.op == "call_module"}
    for norm in {part for module in kept for part in module.modules()} - kept:
        settle = _settle_of(norm)
        if settle is not None:
            _settle_by_hooks(norm, settle)


def _settle_of(call: Any) -> Settle | None:
    return next((settle for kind, settle in _MODULES.items() if isinstance(call, kind)), None)


def _with_settled_signal(value: torch.Tensor, settle: Settle) -> torch.Tensor:
    if value.requires_grad:
        value.register_hook(settle)
    return value


def _settle_by_hooks(norm: nn.Module, settle: Settle) -> None:
    def before(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return (settle(given[0]), *given[1:]) if given and torch.is_grad_enabled() else given

    norm.register_forward_pre_hook(before)
    norm.register_forward_hook(lambda _, __, value: _with_settled_signal(value, settle))
