"""Attention as one operator, of opset 23 and newer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from deepvis_toolbox.onnx.operator_table import Given, operator, refused
from deepvis_toolbox.onnx.values import Value

_MOST_SCORES = 1 << 26
"""Of a mask that is made here."""


@operator("Attention")
def attention(given: Given) -> Sequence[Value]:
    """Softmax of queries times keys, times values, by heads; also gives the keys and the values by heads."""
    if any(given.get(index) is not None for index in (4, 5, 6)):
        raise refused("keys and values of earlier calls are not supported")
    queries, keys, values = (_by_heads(given, index) for index in range(3))
    if queries.rank != 4 or keys.rank != 4 or values.rank != 4 or keys.shape[1] != values.shape[1]:
        raise ValueError("its queries, keys and values do not go together")
    given_keys, given_values = keys, values
    if queries.shape[1] != keys.shape[1]:
        times, left = divmod(queries.shape[1], max(keys.shape[1], 1))
        if left:
            raise ValueError(f"{queries.shape[1]} heads of queries do not go with {keys.shape[1]} of keys")
        keys, values = (given.call(torch.repeat_interleave, each, times, 1) for each in (keys, values))
    bias = _bias(given, queries.shape[2], keys.shape[2])
    empty = None if bias is None else _seeing_nothing(given, bias)
    if bias is not None and empty is not None:
        bias = given.call(torch.where, empty, given.known(0.0), bias)
    found = _mixed(given, queries, keys, values, bias)
    given.builder.marks = {"is_inner_view": True}  # the layer is the attention itself
    if empty is not None:
        found = given.call(torch.where, empty, given.known(0.0), found)
    if given[0].rank == 3:
        found = given.call(torch.flatten, given.call(torch.transpose, found, 1, 2), 2)
    return [found, given_keys, given_values]


def _by_heads(given: Given, index: int) -> Value:
    """Return queries, keys or values as (N, heads, T, d)."""
    value = given[index]
    if value.rank != 3:
        return value
    heads = given.whole("kv_num_heads" if index else "q_num_heads", 0)
    if heads < 1 or value.shape[2] % heads:
        raise ValueError(f"{value.shape[2]} values do not make {heads} heads")
    parts = given.call(torch.unflatten, value, 2, (heads, value.shape[2] // heads))
    found: Value = given.call(torch.transpose, parts, 1, 2)
    return found


def _mixed(given: Given, queries: Value, keys: Value, values: Value, bias: Value | None) -> Value:
    cap = given.number("softcap", 0.0)
    scale = given.number("scale", 0.0) if given.has("scale") else 1 / math.sqrt(queries.shape[3])
    if cap <= 0:
        found: Value = given.call(F.scaled_dot_product_attention, queries, keys, values, attn_mask=bias, scale=scale)
        return found
    scores = given.call(torch.matmul, given.call(torch.mul, queries, scale), given.call(torch.transpose, keys, 2, 3))
    scores = given.call(torch.mul, given.call(torch.tanh, given.call(torch.div, scores, cap)), cap)
    scores = scores if bias is None else given.call(torch.add, scores, bias)
    return given.call(torch.matmul, given.call(torch.softmax, scores, -1), values)  # type: ignore[no-any-return]


def _bias(given: Given, rows: int, columns: int) -> Value | None:
    """Return what is added to the scores: -inf where a query may not see a key."""
    mask, seen = given.get(3), _seen(given, rows, columns)
    if mask is not None:
        missing = columns - mask.shape[-1] if mask.rank else 0
        if not mask.is_float:
            mask = given.call(torch.where, mask, given.known(0.0), given.known(-torch.inf))
        if missing > 0:
            mask = given.call(F.pad, mask, (0, missing), "constant", -torch.inf)
    if seen is None:
        return mask
    own = given.known(torch.where(seen, 0.0, -torch.inf))
    return own if mask is None else given.call(torch.add, mask, own)


def _seeing_nothing(given: Given, bias: Value) -> Value | None:
    """Return which queries may see no key at all, so that they give zeros; None where that is known of none."""
    if bias.is_settled and not bias.samples[0].amax(-1).isneginf().any():
        return None
    found: Value = given.call(torch.isneginf, given.call(torch.amax, bias, [-1], True))
    return found


def _seen(given: Given, rows: int, columns: int) -> torch.Tensor | None:
    """Return which keys a query may see by their distance, bool (queries, keys); None: all."""
    left, right = given.whole("left_window_size", -1), given.whole("right_window_size", -1)
    is_causal = bool(given.whole("is_causal", 0))
    if not is_causal and left < 0 and right < 0:
        return None
    if rows * columns > _MOST_SCORES:
        raise refused(f"a mask of {rows} × {columns} tokens is too large")
    back = torch.arange(rows)[:, None] - torch.arange(columns)
    seen = torch.ones_like(back, dtype=torch.bool)
    if left >= 0:
        seen &= back <= left
    if right >= 0:
        seen &= back >= -right
    return seen & (back >= 0) if is_causal else seen
