"""What `run_decompositions` has taken apart, put together again: ATen's core operations as those that people write."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch._ops import OpOverload

from deepvis_toolbox.network.layer_nodes import attribute
from deepvis_toolbox.network.written_parts import laid_over

_aten = torch.ops.aten
Rewritten = tuple[Callable[..., Any], tuple[Any, ...]]


def put_together(graph: fx.Graph, root: nn.Module) -> None:
    """Rewrite such operations, where all that is read of them is what the others give, too. Values stay the same.

    `root`: holds the program's tensors."""
    for node in list(graph.nodes):
        _fill(node)
        _put_prelu_together(node, root)
        rewrite = _REWRITES.get(node.target) if isinstance(node.target, OpOverload) else None
        found = rewrite(node.args) if rewrite and not node.kwargs else None
        if found is None:
            continue
        of_several = len(node.target._schema.returns) > 1
        if of_several and not all(_is_first_of(reader) for reader in node.users):
            continue
        node.target, node.args = found
        for reader in list(node.users) if of_several else ():
            reader.replace_all_uses_with(node)
            graph.erase_node(reader)
        _put_instance_norm_together(node)


def _fill(node: fx.Node) -> None:
    """Let memory that a program writes to later, part by part, hold zeros before, and not whatever was there."""
    if node.target is _aten.empty.memory_format:
        node.target = _aten.zeros.default
        node.kwargs = {name: value for name, value in node.kwargs.items() if name != "memory_format"}


def _put_instance_norm_together(node: fx.Node) -> None:
    """Make a batch norm of one picture, of which each channel of each picture is a channel, the norm that it was."""
    maps, back = node.args[0], next(iter(node.users), None)
    if (
        node.target is not _aten.batch_norm.default
        or len(node.args) != 9
        or not (_is_reshaping(maps) and _is_reshaping(back))
    ):
        return
    assert isinstance(maps, fx.Node)
    assert back is not None
    (source, sizes), (_, own_sizes) = maps.args[:2], back.args[:2]
    tensors = [_repeated(each) for each in node.args[1:5]]
    alone = len(node.users) == 1 and len(maps.users) == 1
    if not alone or sizes[0] != 1 or sizes[2:] != own_sizes[2:] or None in tensors:  # type: ignore[index]
        return
    given = [each[0] for each in tensors if each]
    is_training, momentum, epsilon = node.args[5:8]
    node.target, node.args = _aten.instance_norm.default, (source, *given, is_training, momentum, epsilon, False)
    back.replace_all_uses_with(node)
    node.graph.erase_node(back)


def _is_reshaping(node: Any) -> bool:
    return isinstance(node, fx.Node) and node.target is _aten.reshape.default and len(node.args) == 2


def _repeated(value: Any) -> tuple[Any] | None:
    """Return what is repeated, once for each picture, or that it is left out; None for anything else."""
    if value is None:
        return (None,)
    is_repeat = isinstance(value, fx.Node) and value.target is _aten.repeat.default and len(value.args) == 2
    return (value.args[0],) if is_repeat else None


def _is_first_of(reader: fx.Node) -> bool:
    return reader.target is operator.getitem and reader.args[1:] == (0,)


def _transposed(value: Any) -> fx.Node | None:
    """Return the matrix that this is the transpose of."""
    if not isinstance(value, fx.Node) or value.kwargs:
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


def _norm_of_the_batch(args: tuple[Any, ...]) -> Rewritten | None:
    x, weight, bias, is_training, momentum, epsilon = args
    return _aten.batch_norm.default, (x, weight, bias, None, None, is_training, momentum, epsilon, False)


_CONVOLUTIONS = {
    1: (_aten.conv1d.default, _aten.conv_transpose1d.default),
    2: (_aten.conv2d.default, _aten.conv_transpose2d.input),
    3: (_aten.conv3d.default, _aten.conv_transpose3d.input),
}
"""By the number of axes of places: the plain one and the transposed one."""


def _convolution(args: tuple[Any, ...]) -> Rewritten | None:
    *given, stride, padding, dilation, is_transposed, output_padding, groups = args
    plain, transposed = _CONVOLUTIONS.get(len(stride), (None, None))
    if plain is None or transposed is None:
        return None
    if is_transposed:
        return transposed, (*given, stride, padding, output_padding, groups, dilation)
    return plain, (*given, stride, padding, dilation, groups)


def _put_prelu_together(node: fx.Node, root: nn.Module) -> None:
    """Make `where(x > 0, x, weight * x)` a PReLU, where the weight is one number of the program's own for each channel,
    or one for all."""
    if node.target is not _aten.where.self or len(node.args) != 3:
        return
    is_above, x, below = node.args
    if not (isinstance(is_above, fx.Node) and isinstance(below, fx.Node) and below.target is _aten.mul.Tensor):
        return
    if len(below.args) != 2:
        return
    shaped, scaled = below.args
    weight: Any = shaped.args[0] if _is_reshaping(shaped) else shaped  # type: ignore[union-attr]
    if not isinstance(weight, fx.Node) or weight.op != "get_attr":
        return
    own = attribute(root, str(weight.target))
    sizes = list(shaped.args[1]) if _is_reshaping(shaped) else []  # type: ignore[union-attr, arg-type]
    by_channel = sizes == [1, own.numel(), *[1] * (len(sizes) - 2)]
    is_above_zero = is_above.target is _aten.gt.Scalar and is_above.args == (x, 0)
    if own.ndim == 1 and (by_channel or own.numel() == 1) and is_above_zero and scaled is x:
        node.target, node.args = _aten.prelu.default, (x, weight)


_REWRITES: dict[OpOverload, Callable[[tuple[Any, ...]], Rewritten | None]] = {
    _aten.mm.default: _product,
    _aten.addmm.default: _product_with_bias,
    _aten.convolution.default: _convolution,
    _aten.copy.default: lambda args: (laid_over, args),
    _aten._native_batch_norm_legit_no_training.default: _batch_norm,
    _aten._native_batch_norm_legit.no_stats: _norm_of_the_batch,
    _aten.native_layer_norm.default: lambda args: (_aten.layer_norm.default, (*args, False)),
    _aten.native_group_norm.default: _group_norm,
    _aten.max_pool2d_with_indices.default: lambda args: (_aten.max_pool2d.default, args),
    _aten._adaptive_avg_pool2d.default: lambda args: (_aten.adaptive_avg_pool2d.default, args),
    _aten._softmax.default: lambda args: (_aten.softmax.int, args[:2]),
    _aten._log_softmax.default: lambda args: (_aten.log_softmax.int, args[:2]),
}
