"""Flatten, Reshape, Permute and Tile: the same values in another arrangement."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import fx

from deepvis_toolbox.caffe.graph_writer import GraphWriter
from deepvis_toolbox.caffe.layer_types import LayerType, Shape, layer_type


@layer_type("Flatten", old_name="FLATTEN")
class Flatten(LayerType):
    """The axes from `axis` to `end_axis` as one."""

    def setup(self) -> list[Shape]:
        param = self.definition.flatten_param
        self.first = self.axis("axis", param.axis, self.bottom)
        self.last = self.axis("end_axis", param.end_axis, self.bottom)
        if self.last < self.first - 1:
            raise self.error("end_axis", f"axis {self.last} comes before axis {self.first}")
        flat = math.prod(self.bottom[self.first - 1 : self.last])
        return [(*self.bottom[: self.first - 1], flat, *self.bottom[self.last :])]

    def emit(self, writer: GraphWriter, bottoms: list[fx.Node]) -> list[fx.Node]:
        if self.last < self.first:  # an axis of one between them
            return [writer.function(torch.unsqueeze, bottoms[0], self.first)]
        return [writer.function(torch.flatten, bottoms[0], self.first, self.last)]


@layer_type("Reshape")
class Reshape(LayerType):
    """Other sizes for the same values: 0 copies a size, -1 is found out. The batch stays the first axis."""

    def setup(self) -> list[Shape]:
        param = self.definition.reshape_param
        axes = len(self.bottom) + 1
        start = param.axis + axes + 1 if param.axis < 0 else param.axis
        end = axes if param.num_axes == -1 else start + param.num_axes
        if not 0 <= start <= axes or param.num_axes < -1 or end > axes:
            raise self.error("axis", f"axes {param.axis} and the {param.num_axes} after it leave a blob of {axes} axes")
        sizes = list(param.shape.dim)
        if sizes.count(-1) > 1 or any(size < -1 for size in sizes):
            raise self.error("shape", f"{sizes} is no shape: one -1 at most, and nothing below")
        if start == 0 and end > 0:
            sizes = self._without_batch(sizes)
            start = 1
        if start == 0:
            raise self.error("axis", "a new axis before the batch is not supported")
        return [self._reshaped(sizes, start - 1, end - 1)]

    def _without_batch(self, sizes: list[int]) -> list[int]:
        """Return the new sizes for one image, where the first of them is the batch: copied, or what is left over."""
        rest = sizes[1:]
        copied = [self.bottom[i] if size == 0 and i < len(self.bottom) else size for i, size in enumerate(rest)]
        if sizes[:1] == [0] or (sizes[:1] == [-1] and math.prod(copied) == math.prod(self.bottom)):
            return rest
        if sizes[:1] == [1] and (-1 in copied or math.prod(copied) == math.prod(self.bottom)):
            return rest  # written for one image at a time
        raise self.error("shape", f"{sizes} mixes the images of a batch, which is not supported; begin with dim: 0")

    def _reshaped(self, sizes: Sequence[int], start: int, end: int) -> Shape:
        for position, size in enumerate(sizes):
            if size == 0 and start + position >= len(self.bottom):
                raise self.error("shape", "a 0 has no axis to copy")
        new = [self.bottom[start + i] if size == 0 else size for i, size in enumerate(sizes)]
        total = math.prod(self.bottom)
        known = math.prod(self.bottom[:start]) * math.prod(self.bottom[end:]) * math.prod(s for s in new if s != -1)
        if (-1 in new and total % known) or (-1 not in new and known != total):
            raise self.error("shape", f"{list(sizes)} does not hold the {total} values of an image")
        filled = [total // known if size == -1 else size for size in new]
        return (*self.bottom[:start], *filled, *self.bottom[end:])

    def emit(self, writer: GraphWriter, bottoms: list[fx.Node]) -> list[fx.Node]:
        return [writer.function(torch.reshape, bottoms[0], (-1, *self.tops[0]))]


@layer_type("Permute")
class Permute(LayerType):
    """Axes in another order; those that are not named follow in theirs."""

    def setup(self) -> list[Shape]:
        axes = len(self.bottom) + 1
        order = list(self.definition.permute_param.order)
        if len(set(order)) != len(order) or any(axis >= axes for axis in order):
            raise self.error("order", f"{order} is no order of {axes} axes")
        self.order = (*order, *(axis for axis in range(axes) if axis not in order))
        if self.order[0] != 0:
            raise self.error("order", "moves the batch from its place, which is not supported")
        return [tuple(self.bottom[axis - 1] for axis in self.order[1:])]

    def emit(self, writer: GraphWriter, bottoms: list[fx.Node]) -> list[fx.Node]:
        return [writer.function(torch.permute, bottoms[0], self.order)]


@layer_type("Tile")
class Tile(LayerType):
    """Copies side by side along an axis."""

    def setup(self) -> list[Shape]:
        param = self.definition.tile_param
        self.along = self.axis("axis", param.axis, self.bottom)
        self.copies = self.positive("tiles", param.tiles)
        index = self.along - 1
        return [(*self.bottom[:index], self.bottom[index] * self.copies, *self.bottom[index + 1 :])]

    def emit(self, writer: GraphWriter, bottoms: list[fx.Node]) -> list[fx.Node]:
        copies = [1] * (len(self.bottom) + 1)
        copies[self.along] = self.copies
        return [writer.function(torch.tile, bottoms[0], tuple(copies))]
