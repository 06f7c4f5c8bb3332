"""Scale and Bias: by a stored array, or by a second blob."""

from __future__ import annotations

import torch
from torch import fx, nn

from deepvis_toolbox.caffe.graph_writer import GraphWriter
from deepvis_toolbox.caffe.layer_types import LayerType, Shape, layer_type


class _Affine(LayerType):
    """What the two share: which axes the array covers, in the prototxt's field `field`."""

    bottom_count = (1, 2)
    field = ""
    covered: Shape

    def setup(self) -> list[Shape]:
        param = getattr(self.definition, self.field)
        if len(self.bottoms) == 2:
            self.covered = self._second_bottom(param.axis)
            return [self.bottom]
        if param.num_axes < -1:
            raise self.error("num_axes", f"is {param.num_axes}; it must be at least -1")
        if param.num_axes == 0:
            self.first, self.covered = len(self.bottom) + 1, ()
        else:
            self.first = self.axis("axis", param.axis, self.bottom)
            rest = self.bottom[self.first - 1 :]
            if param.num_axes > len(rest):
                raise self.error("num_axes", f"{param.num_axes} axes from axis {self.first} on leave the blob")
            self.covered = rest if param.num_axes == -1 else rest[: param.num_axes]
        return [self.bottom]

    def _second_bottom(self, axis: int) -> Shape:
        axis = axis + len(self.bottom) + 1 if axis < 0 else axis
        other = self.bottoms[1]
        if axis != 0:
            raise self.error(
                "axis", "a second bottom has the images of the batch as its first axis; only axis 0 fits it"
            )
        if other != self.bottom[: len(other)]:
            raise self.error(
                "bottom", f"the second of the shape {other} does not fit the first of the shape {self.bottom}"
            )
        self.first = 1
        return other

    def broadcast(self) -> Shape:
        """Return the array's shape with ones where it is the same everywhere, batch left out."""
        ones_after = len(self.bottom) + 1 - self.first - len(self.covered)
        return (*(1,) * (self.first - 1), *self.covered, *(1,) * ones_after)

    def is_by_channel(self) -> bool:
        """Return whether there is one number for each channel of maps."""
        return self.first == 1 and len(self.covered) == 1 and len(self.bottom) == 3

    def by_second_bottom(self, writer: GraphWriter, bottoms: list[fx.Node]) -> fx.Node:
        """Return the second bottom, with axes of one added so that it spreads over the first."""
        missing = len(self.bottom) - len(self.covered)
        if not missing:
            return bottoms[1]
        shape = (*self.covered, *(1,) * missing)
        return writer.internal(torch.reshape, bottoms[1], (-1, *shape), shape=shape)


@layer_type("Scale")
class Scale(_Affine):
    """x · scale (+ bias). One number for each channel is written as a batch norm of mean 0 and variance 1."""

    field = "scale_param"

    def setup(self) -> list[Shape]:
        tops = super().setup()
        bias = [self.covered] if self.definition.scale_param.bias_term else []
        self.parameters = bias if len(self.bottoms) == 2 else [self.covered, *bias]
        return tops

    def emit(self, writer: GraphWriter, bottoms: list[fx.Node]) -> list[fx.Node]:
        name = self.definition.name
        if len(self.bottoms) == 2:
            factor = self.by_second_bottom(writer, bottoms)
            if not self.blobs:
                return [writer.function(torch.mul, bottoms[0], factor)]
            product = writer.internal(torch.mul, bottoms[0], factor, shape=self.bottom)
            return [writer.module(name, AffineBy(None, self.blobs[0].reshape(self.broadcast())), product)]
        if self.is_by_channel():
            return [
                writer.module(
                    name, _channel_affine(self.blobs[0], self.blobs[1] if len(self.blobs) > 1 else None), bottoms[0]
                )
            ]
        arrays = [blob.reshape(self.broadcast()) for blob in self.blobs]
        return [writer.module(name, AffineBy(arrays[0], arrays[1] if len(arrays) > 1 else None), bottoms[0])]


@layer_type("Bias")
class Bias(_Affine):
    """x + bias."""

    field = "bias_param"

    def setup(self) -> list[Shape]:
        tops = super().setup()
        self.parameters = [] if len(self.bottoms) == 2 else [self.covered]
        return tops

    def emit(self, writer: GraphWriter, bottoms: list[fx.Node]) -> list[fx.Node]:
        if len(self.bottoms) == 2:
            return [writer.function(torch.add, bottoms[0], self.by_second_bottom(writer, bottoms))]
        if self.is_by_channel():
            module = _channel_affine(torch.ones_like(self.blobs[0]), self.blobs[0])
        else:
            module = AffineBy(None, self.blobs[0].reshape(self.broadcast()))
        return [writer.module(self.definition.name, module, bottoms[0])]


def _channel_affine(scale: torch.Tensor, bias: torch.Tensor | None) -> nn.Module:
    """Return a batch norm that does nothing but scale and shift, so that whatever folds batch norms folds this too."""
    scale = scale.reshape(-1)
    module = nn.BatchNorm2d(scale.numel(), eps=0.0)
    module.weight = nn.Parameter(scale, requires_grad=False)
    module.bias = nn.Parameter(torch.zeros_like(scale) if bias is None else bias.reshape(-1), requires_grad=False)
    return module


class AffineBy(nn.Module):
    """x · scale + bias, each an array that spreads over the image, or None."""

    kind = "scale"
    elementwise = True
    scale: torch.Tensor | None
    bias: torch.Tensor | None

    def __init__(self, scale: torch.Tensor | None, bias: torch.Tensor | None) -> None:
        super().__init__()
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scaled values of float32 (N, C, …), in the same shape."""
        scaled = x if self.scale is None else x * self.scale
        return scaled if self.bias is None else scaled + self.bias
