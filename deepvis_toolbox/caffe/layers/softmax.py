"""Softmax and ArgMax."""

from __future__ import annotations

import math

import torch
from torch import nn

from deepvis_toolbox.caffe.layer_types import ElementwiseLayer, ModuleLayer, Shape, layer_type


@layer_type("Softmax", old_name="SOFTMAX")
class Softmax(ElementwiseLayer):
    """Softmax over one axis."""

    def setup(self) -> list[Shape]:
        self.over = self.axis("axis", self.definition.softmax_param.axis, self.bottom)
        return [self.bottom]

    def module(self) -> nn.Module:
        return nn.Softmax(self.over)


@layer_type("ArgMax", old_name="ARGMAX")
class ArgMax(ModuleLayer):
    """The largest values' indices (and, without an axis, their values too) over an axis, or over all of an image."""

    def setup(self) -> list[Shape]:
        param = self.definition.argmax_param
        self.top_k = self.positive("top_k", param.top_k)
        self.over = self.axis("axis", param.axis, self.bottom) if param.HasField("axis") else 0
        available = self.bottom[self.over - 1] if self.over else math.prod(self.bottom)
        if self.top_k > available:
            raise self.error("top_k", f"is {self.top_k}, but there are only {available} values")
        if self.over:
            return [(*self.bottom[: self.over - 1], self.top_k, *self.bottom[self.over :])]
        rows = 2 if param.out_max_val else 1
        return [(rows, self.top_k, *(1,) * (len(self.bottom) - 2))]

    def module(self) -> nn.Module:
        return Largest(self.top_k, self.over, self.definition.argmax_param.out_max_val, self.tops[0])


class Largest(nn.Module):
    """The k largest along an axis: indices as float, or values; without an axis (0), indices and then values.

    Equal values come in the order of Caffe's sort: the larger index first. Nothing passes backwards, as in Caffe.
    """

    kind = "argmax"

    def __init__(self, k: int, axis: int, gives_values: bool, shape: Shape) -> None:
        super().__init__()
        self.k, self.axis, self.gives_values, self.shape = k, axis, gives_values, shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return places or values of the largest, float32, of values (N, …)."""
        flat = x.detach() if self.axis else x.detach().flatten(1)
        axis = self.axis or 1
        flipped = flat.flip(axis)
        values, order = torch.sort(flipped, dim=axis, descending=True, stable=True)
        values, order = values.narrow(axis, 0, self.k), order.narrow(axis, 0, self.k)
        indices = (flat.shape[axis] - 1 - order).to(x.dtype) + 0 * values
        if self.axis:
            return values if self.gives_values else indices
        parts = [indices, values] if self.gives_values else [indices]
        return torch.stack(parts, 1).reshape(x.shape[0], *self.shape)
