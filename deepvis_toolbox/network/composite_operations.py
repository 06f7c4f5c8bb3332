"""What `run_decompositions` has taken apart, put together again: ATen's core operations as those that people write."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx
from torch._ops import OpOverload

_aten = torch.ops.aten
Rewritten = tuple[OpOverload, tuple[Any, ...]]


def put_together(graph: fx.Graph) -> None:
    """Rewrite such operations, where all that is read of them is what the others give, too. Values stay the same."""
    for node in list(graph.nodes):
        rewrite = _REWRITES.get(node.target) if isinstance(node.target, OpOverload) else None
        found = rewrite(node.args) if rewrite else None
        if found is None or node.kwargs:
            continue
        of_several = len(node.target._schema.returns) > 1
        if of_several and not all(_is_first_of(reader) for reader in node.users):
            continue
        node.target, node.args = found
        for reader in list(node.users) if of_several else ():
            reader.replace_all_uses_with(node)
            graph.erase_node(reader)


def _is_first_of(reader: fx.Node) -> bool:
    return reader.target is operator.getitem and reader.args[1:] == (0,)


def _transposed(value: Any) -> fx.Node | None:
    """Return the matrix that this is the transpose of."""
    if not isinstance(value, fx.Node):
        return None
    turned = value.target is _aten.permute.default and list(value.args[1]) == [1, 0]  # type: ignore[arg-type]
    found = value.args[0] if turned or value.target is _aten.t.default else None
    return found if isinstance(found, fx.Node) else None


def _product(args: tuple[Any, ...]) -> Rewritten | None:
    weight = _transposed(args[1])
    return None if weight is None else (_aten.linear.default, (args[0], weight))


def _product_with_bias(args: tuple[Any, ...]) -> Rewritten | None:
    weight = _transposed(args[2])
    return None if weight is None else (_aten.linear.default, (args[1], weight, args[0]))


def _batch_norm(args: tuple[Any, ...]) -> Rewritten | None:
    x, weight, bias, mean, variance, momentum, epsilon = args
    return _aten.batch_norm.default, (x, weight, bias, mean, variance, False, momentum, epsilon, False)


def _group_norm(args: tuple[Any, ...]) -> Rewritten | None:
    x, weight, bias, _, _, _, groups, epsilon = args
    return _aten.group_norm.default, (x, groups, weight, bias, epsilon, False)


_REWRITES: dict[OpOverload, Callable[[tuple[Any, ...]], Rewritten | None]] = {
    _aten.mm.default: _product,
    _aten.addmm.default: _product_with_bias,
    _aten._native_batch_norm_legit_no_training.default: _batch_norm,
    _aten.native_layer_norm.default: lambda args: (_aten.layer_norm.default, (*args, False)),
    _aten.native_group_norm.default: _group_norm,
    _aten.max_pool2d_with_indices.default: lambda args: (_aten.max_pool2d.default, args),
    _aten._adaptive_avg_pool2d.default: lambda args: (_aten.adaptive_avg_pool2d.default, args),
    _aten._softmax.default: lambda args: (_aten.softmax.int, args[:2]),
    _aten._log_softmax.default: lambda args: (_aten.log_softmax.int, args[:2]),
}
