"""Reduction: everything from an axis on, summed up."""

from __future__ import annotations

import torch
from torch import nn

from deepvis_toolbox.caffe.layer_types import ModuleLayer, Shape, layer_type

_OPERATIONS = {1: "sum", 2: "sum of absolute values", 3: "sum of squares", 4: "mean"}


@layer_type("Reduction")
class Reduction(ModuleLayer):
    """Sum, sum of absolute values, sum of squares or mean, times a coefficient.

    Over everything (axis 0 or 1) it gives each image its own number, as a layer of one unit; Caffe's axis 0 would add
    up the images of a batch too.
    """

    def setup(self) -> list[Shape]:
        axis = self.definition.reduction_param.axis
        self.first = 1 if axis == 0 else self.axis("axis", axis, self.bottom)
        return [self.bottom[: self.first - 1] or (1,)]

    def module(self) -> nn.Module:
        param = self.definition.reduction_param
        return Reduce(_OPERATIONS[param.operation], self.first, param.coeff)


class Reduce(nn.Module):
    """One of the four reductions over all axes from `first` on."""

    kind = "pool"

    def __init__(self, operation: str, first: int, coefficient: float) -> None:
        super().__init__()
        self.operation, self.first, self.coefficient = operation, first, coefficient

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return one number for what lies behind the axes that stay, float32; `x` has any shape."""
        flat = x.flatten(self.first)
        if self.operation == "sum of absolute values":
            flat = flat.abs()
        elif self.operation == "sum of squares":
            flat = flat.square()
        reduced = flat.mean(-1) if self.operation == "mean" else flat.sum(-1)
        return (reduced[:, None] if self.first == 1 else reduced) * self.coefficient
