"""Where a network attends: the weights of its attention layers, as they are computed or, where a fused operation keeps
them to itself, computed again from its queries and keys."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx, nn
from torch._ops import OpOverload

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.operation_names import SOFTMAXES
from deepvis_toolbox.network.operations import called_name

_FUSED = "scaled_dot_product_attention"
_FUSED_ARGUMENTS = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
LEAST_TOKENS = 4


def tells_attention(node: fx.Node, kind: str, shape: tuple[int, ...], modules: Mapping[str, nn.Module]) -> bool:
    """Return whether attention weights are known of a layer: the node that computes it, its kind, its shape (…)."""
    if kind in SOFTMAXES:
        return len(shape) in (2, 3) and shape[-1] == shape[-2] >= LEAST_TOKENS
    return is_fused(node) or attention_module(node, modules) is not None


def is_fused(node: fx.Node) -> bool:
    """Return whether a node is torch's own attention over queries, keys and values."""
    return node.op == "call_function" and called_name(node) == _FUSED


def in_order(weights: torch.Tensor, node: fx.Node) -> torch.Tensor:
    """Return the weights of a node, float32 (N, heads, T, T'), its tokens as the node's layer has them: others first,
    then row by row."""
    order: torch.Tensor | None = node.meta.get("token_order")
    if order is None:
        return weights
    order = order.to(weights.device)
    weights = weights[:, :, order]
    return weights[..., order] if weights.shape[-1] == len(order) else weights


def attention_module(node: fx.Node, modules: Mapping[str, nn.Module]) -> fx.Node | None:
    """Return the call of an `nn.MultiheadAttention` whose first result a node takes; None where it takes none."""
    source = node.args[0] if called_name(node) == "getitem" and len(node.args) == 2 and node.args[1] == 0 else None
    if not isinstance(source, fx.Node) or source.op != "call_module":
        return None
    return source if isinstance(modules.get(str(source.target)), nn.MultiheadAttention) else None


def read_nodes(node: fx.Node, modules: Mapping[str, nn.Module]) -> list[fx.Node]:
    """Return the nodes whose values tell a layer's attention weights."""
    call = node if is_fused(node) else attention_module(node, modules)
    return [node] if call is None else call.all_input_nodes


def attention_weights(
    node: fx.Node, value_of: Callable[[fx.Node], Any], modules: Mapping[str, nn.Module]
) -> torch.Tensor:
    """Return the weights of a layer that tells attention, float32 (N, heads, T, T'): row t says how much each token
    counts for token t. `value_of`: the values of `read_nodes`, (N, …)."""
    call = attention_module(node, modules)
    if is_fused(node):
        return _fused_weights(node, value_of)
    if call is None:
        value: torch.Tensor = value_of(node)
        return value if value.ndim == 4 else value[:, None]
    given: Any = fx.node.map_arg(call.args, value_of)
    named: Any = fx.node.map_arg(dict(call.kwargs), value_of)
    named = {**named, "need_weights": True, "average_attn_weights": False}
    if len(given) > 4:  # need_weights stands among the arguments
        given = given[:4]
    weights: torch.Tensor = modules[str(call.target)](*given, **named)[1]
    return weights


def _fused_weights(node: fx.Node, value_of: Callable[[fx.Node], Any]) -> torch.Tensor:
    given: Any = fx.node.map_arg(node.args, value_of)
    named: Any = fx.node.map_arg(dict(node.kwargs), value_of)
    names = [each.name for each in node.target._schema.arguments] if isinstance(node.target, OpOverload) else ()
    asked: dict[str, Any] = dict(zip(names or _FUSED_ARGUMENTS, given, strict=False)) | named
    query, key, mask = asked["query"], asked["key"], asked.get("attn_mask")
    if query.ndim == 3:
        query, key = query[:, None], key[:, None]
    if query.ndim != 4:
        raise ToolboxError(f"its queries have {query.ndim} axes, so that no heads and tokens can be told")
    if key.shape[1] != query.shape[1]:  # several heads share their keys
        key = key.repeat_interleave(query.shape[1] // key.shape[1], 1)
    scale = asked.get("scale") or 1 / math.sqrt(query.shape[-1])
    scores = scale * query @ key.transpose(-2, -1)
    if asked.get("is_causal"):
        scores = scores.masked_fill(torch.ones_like(scores[0, 0], dtype=torch.bool).tril().logical_not(), -torch.inf)
    if isinstance(mask, torch.Tensor):
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    weights: torch.Tensor = scores.softmax(-1)
    return weights
