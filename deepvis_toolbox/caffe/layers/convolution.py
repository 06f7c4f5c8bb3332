"""Convolution and Deconvolution: groups, dilation, kernels that are not square."""

from __future__ import annotations

import math
from abc import abstractmethod

from torch import fx, nn

from deepvis_toolbox.caffe.geometry import repeated_pair
from deepvis_toolbox.caffe.graph_writer import GraphWriter
from deepvis_toolbox.caffe.layer_types import ModuleLayer, Shape, layer_type


class _Convolving(ModuleLayer):
    """What the two share: the fields, the checks, the stored weights. Each bottom is convolved to a top of its own."""

    bottom_count = (1, None)
    top_count = (1, None)

    def setup(self) -> list[Shape]:
        param = self.definition.convolution_param
        channels, height, width = self.spatial()
        self.axis_is_channels()
        self.outputs = self.positive("num_output", param.num_output)
        self.groups = self.positive("group", param.group)
        self.kernel = repeated_pair(self, param, "kernel_size", "kernel", None)
        self.stride = repeated_pair(self, param, "stride", "stride", 1)
        self.padding = repeated_pair(self, param, "pad", "pad", 0)
        self.dilation = repeated_pair(self, param, "dilation", "dilation", 1)
        for name, pair in (("kernel_size", self.kernel), ("stride", self.stride), ("dilation", self.dilation)):
            self.positive(name, min(pair))
        if channels % self.groups or self.outputs % self.groups:
            raise self.error(
                "group", f"{self.groups} groups do not divide {channels} channels into {self.outputs} outputs"
            )
        self.parameters = [self.weight_shape(channels)] + ([(self.outputs,)] if param.bias_term else [])
        size = tuple(self.output_extent(extent, axis) for axis, extent in enumerate((height, width)))
        if min(size) < 1:
            raise self.error("kernel_size", f"the kernel is larger than its input of {height}×{width}")
        if any(shape != self.bottom for shape in self.bottoms):
            raise self.error("bottom", f"its bottoms have the shapes {self.bottoms}; they must have one")
        if len(self.definition.top) != len(self.bottoms):
            raise self.error(
                "top", f"has {len(self.definition.top)} for {len(self.bottoms)} bottoms; takes one for each"
            )
        return [(self.outputs, *size)] * len(self.bottoms)

    def working_values(self) -> int:
        """Return the padded input, the columns (each output's window, or each input's), and the result once more."""
        channels, height, width = self.spatial()
        padded = channels * (height + 2 * self.padding[0]) * (width + 2 * self.padding[1])
        columns = self.parameters[0][1] * self.groups * math.prod(self.kernel) * self.windows()
        return padded + columns + math.prod(self.tops[0])

    def products(self) -> int:
        """Return one for each weight at each place of its window."""
        return math.prod(self.parameters[0]) * self.windows() * len(self.tops)

    @abstractmethod
    def windows(self) -> int:
        """Return how many places the kernel has."""

    def emit(self, writer: GraphWriter, bottoms: list[fx.Node]) -> list[fx.Node]:
        return [writer.module(self.definition.name, self.module(), bottom) for bottom in bottoms]

    def axis_is_channels(self) -> None:
        """Refuse any other `axis` than that of the channels."""
        if self.axis("axis", self.definition.convolution_param.axis, self.bottom) != 1:
            raise self.error("axis", "only two-dimensional layers over the channels (axis 1) are supported")

    @abstractmethod
    def weight_shape(self, channels: int) -> Shape:
        """Return the shape of the stored weights."""

    @abstractmethod
    def output_extent(self, extent: int, axis: int) -> int:
        """Return how many rows (axis 0) or columns (axis 1) come out."""

    def reach(self, axis: int) -> int:
        """Return the extent of the dilated kernel."""
        return self.dilation[axis] * (self.kernel[axis] - 1) + 1

    def filled(self, module: nn.Conv2d | nn.ConvTranspose2d) -> nn.Module:
        """Return the module with the stored weights, which it was made without."""
        module.weight = nn.Parameter(self.blobs[0], requires_grad=False)
        module.bias = nn.Parameter(self.blobs[1], requires_grad=False) if len(self.blobs) > 1 else None
        return module


@layer_type("Convolution", old_name="CONVOLUTION")
class Convolution(_Convolving):
    """A convolution, rounding down."""

    def weight_shape(self, channels: int) -> Shape:
        return (self.outputs, channels // self.groups, *self.kernel)

    def windows(self) -> int:
        return math.prod(self.tops[0][1:])

    def output_extent(self, extent: int, axis: int) -> int:
        return (extent + 2 * self.padding[axis] - self.reach(axis)) // self.stride[axis] + 1

    def module(self) -> nn.Module:
        arguments = (self.bottom[0], self.outputs, self.kernel, self.stride, self.padding, self.dilation, self.groups)
        return self.filled(nn.Conv2d(*arguments, device="meta"))


@layer_type("DepthwiseConvolution")
class DepthwiseConvolution(Convolution):
    """The forks' quicker way to a convolution whose groups are its channels; it computes the same."""


@layer_type("Deconvolution", old_name="DECONVOLUTION")
class Deconvolution(_Convolving):
    """A convolution's transpose."""

    def weight_shape(self, channels: int) -> Shape:
        return (channels, self.outputs // self.groups, *self.kernel)

    def windows(self) -> int:
        return math.prod(self.bottom[1:])

    def output_extent(self, extent: int, axis: int) -> int:
        return self.stride[axis] * (extent - 1) + self.reach(axis) - 2 * self.padding[axis]

    def module(self) -> nn.Module:
        module = nn.ConvTranspose2d(
            self.bottom[0],
            self.outputs,
            self.kernel,
            self.stride,
            self.padding,
            groups=self.groups,
            dilation=self.dilation,
            device="meta",
        )
        return self.filled(module)
