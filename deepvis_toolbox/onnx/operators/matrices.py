"""Products of matrices."""

from __future__ import annotations

import torch
from torch import nn

from deepvis_toolbox.onnx.operator_table import Given, operator
from deepvis_toolbox.onnx.operators.convolution import filled
from deepvis_toolbox.onnx.values import Value

_MOST_LETTERS = 200


@operator("MatMul")
def product(given: Given) -> Value:
    """The product of two matrices, or of stacks of them; by a trained one it is a linear layer."""
    value, weight = given[0], given[1]
    if weight.rank == 2 and weight.is_settled and not value.is_known and value.rank >= 2:
        return _linear(given, value, given.builder.known(weight.samples[0].t().contiguous()), None)
    found: Value = given.call(torch.matmul, value, weight)
    return found


@operator("Gemm")
def product_with_bias(given: Given) -> Value:
    """alpha A B + beta C; by a trained matrix it is a linear layer."""
    a, b, c = given[0], given[1], given.get(2)
    alpha, beta = given.number("alpha", 1.0), given.number("beta", 1.0)
    if a.rank != 2 or b.rank != 2:
        raise ValueError(f"it multiplies matrices, and reads {a.rank} and {b.rank} axes")
    if given.whole("transA", 0):
        a = given.call(torch.transpose, a, 0, 1)
    turned = bool(given.whole("transB", 0))
    is_row = c is None or (c.is_settled and c.samples[0].numel() in (1, b.shape[0 if turned else 1]) and _is_row(c))
    if b.is_settled and is_row and not a.is_known:
        weight = b.samples[0] if turned else b.samples[0].t().contiguous()
        weight = weight if alpha == 1 else weight * alpha
        bias = None if c is None else (c.samples[0].reshape(-1) * (1 if beta == 1 else beta)).expand(len(weight))
        known = None if bias is None else given.builder.known(bias.contiguous())
        return _linear(given, a, given.builder.known(weight), known)
    found: Value = given.call(torch.matmul, a, given.call(torch.transpose, b, 0, 1) if turned else b)
    found = found if alpha == 1 else given.call(torch.mul, found, alpha)
    if c is None:
        return found
    return given.call(torch.add, found, c if beta == 1 else given.call(torch.mul, c, beta))  # type: ignore[no-any-return]


def _is_row(value: Value) -> bool:
    return value.rank < 2 or value.shape[0] == 1


def _linear(given: Given, value: Value, weight: Value, bias: Value | None) -> Value:
    if value.shape[-1] != weight.shape[1]:
        raise ValueError(f"weights for {weight.shape[1]} values do not go with {value.shape[-1]}")
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    return given.builder.module(filled(made, weight, bias), value, given.path(1))


@operator("Einsum")
def sums_of_products(given: Given) -> Value:
    """Sums of products by letters, one an axis."""
    written = str(given.attribute("equation", ""))
    if not written or len(written) > _MOST_LETTERS:
        raise ValueError("its equation is missing, or too long")
    values = [given[index] for index in range(len(given.values))]
    found: Value = given.call(torch.einsum, written.replace(" ", ""), *values)
    return found
