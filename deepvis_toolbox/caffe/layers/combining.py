"""Concat and Eltwise: several blobs to one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import fx, nn

from deepvis_toolbox.caffe.graph_writer import GraphWriter
from deepvis_toolbox.caffe.layer_types import LayerType, Shape, layer_type

_PROD, _SUM, _MAX = 0, 1, 2


@layer_type("Concat", old_name="CONCAT")
class Concat(LayerType):
    """Blobs side by side along an axis."""

    bottom_count = (1, None)

    def setup(self) -> list[Shape]:
        param = self.definition.concat_param
        if param.HasField("axis") and param.HasField("concat_dim"):
            raise self.error("concat_dim", 'is given beside "axis"; Caffe takes one of them')
        field = "concat_dim" if param.HasField("concat_dim") else "axis"
        self.along = self.axis(field, getattr(param, field), self.bottom)
        index = self.along - 1
        for other in self.bottoms[1:]:
            if other[:index] + other[index + 1 :] != self.bottom[:index] + self.bottom[index + 1 :]:
                raise self.error(
                    "bottom", f"blobs of the shapes {self.bottom} and {other} do not fit along axis {self.along}"
                )
        total = sum(bottom[index] for bottom in self.bottoms)
        return [(*self.bottom[:index], total, *self.bottom[index + 1 :])]

    def emit(self, writer: GraphWriter, bottoms: list[fx.Node]) -> list[fx.Node]:
        return [writer.function(torch.cat, bottoms, self.along)]


@layer_type("Eltwise", old_name="ELTWISE")
class Eltwise(LayerType):
    """Sum (with coefficients), product or maximum of blobs of one shape."""

    bottom_count = (2, None)

    def setup(self) -> list[Shape]:
        param = self.definition.eltwise_param
        self.coefficients = list(param.coeff)
        if self.coefficients and param.operation != _SUM:
            raise self.error("coeff", "only a sum takes coefficients")
        if self.coefficients and len(self.coefficients) != len(self.bottoms):
            raise self.error("coeff", f"has {len(self.coefficients)} values for {len(self.bottoms)} bottoms")
        for other in self.bottoms[1:]:
            if other != self.bottom:
                raise self.error("bottom", f"blobs of the shapes {self.bottom} and {other} differ")
        return [self.bottom]

    def emit(self, writer: GraphWriter, bottoms: list[fx.Node]) -> list[fx.Node]:
        operation = self.definition.eltwise_param.operation
        if operation == _MAX:
            return [writer.module(self.definition.name, Maximum(), *bottoms)]
        if operation == _SUM and any(value != 1 for value in self.coefficients):
            return [writer.module(self.definition.name, WeightedSum(self.coefficients), *bottoms)]
        function = torch.mul if operation == _PROD else torch.add
        result = bottoms[0]
        for other in bottoms[1:-1]:
            result = writer.internal(function, result, other, shape=self.bottom)
        return [writer.function(function, result, bottoms[-1])]


@layer_type("Axpy")
class Axpy(LayerType):
    """a · x + y, a one number for each channel: SENet's, of its authors' Caffe."""

    bottom_count = (3, 3)

    def setup(self) -> list[Shape]:
        factor, x, y = self.bottoms
        if x != y or len(x) != 3:
            raise self.error("bottom", f"the second and third are {x} and {y}; they must be maps of one shape")
        if factor not in ((x[0],), (x[0], 1, 1)):
            raise self.error("bottom", f"the first is {factor}; it must be one number for each of {x[0]} channels")
        return [x]

    def emit(self, writer: GraphWriter, bottoms: list[fx.Node]) -> list[fx.Node]:
        return [writer.module(self.definition.name, ScaledSum(), *bottoms)]


class ScaledSum(nn.Module):
    """a · x + y."""

    kind = "add"
    elementwise = True

    def forward(self, factor: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the sum, float32 (N, C, H, W); `factor` is (N, C) or (N, C, 1, 1), `x` and `y` are (N, C, H, W)."""
        return factor.reshape(*factor.shape[:2], 1, 1) * x + y


class WeightedSum(nn.Module):
    """Σ coefficient · x."""

    kind = "add"
    elementwise = True

    def __init__(self, coefficients: Sequence[float]) -> None:
        super().__init__()
        self.coefficients = tuple(coefficients)

    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        """Return the sum of values of one shape, float32."""
        result = xs[0] * self.coefficients[0]
        for x, coefficient in zip(xs[1:], self.coefficients[1:], strict=True):
            result = torch.add(result, x, alpha=coefficient)
        return result


class Maximum(nn.Module):
    """The largest. Of equal values one gets the signal, as in Caffe: the second of the first two, else the earlier."""

    kind = "maximum"
    elementwise = True

    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        """Return the largest of values of one shape, float32."""
        result = torch.where(xs[0] > xs[1], xs[0], xs[1])
        for x in xs[2:]:
            result = torch.where(x > result, x, result)
        return result
