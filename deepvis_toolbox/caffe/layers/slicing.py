"""Slice and Crop: parts of a blob."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import fx, nn

from deepvis_toolbox.caffe.graph_writer import GraphWriter
from deepvis_toolbox.caffe.layer_types import LayerType, ModuleLayer, Shape, layer_type
from deepvis_toolbox.network.operations import Window


@layer_type("Slice", old_name="SLICE")
class Slice(LayerType):
    """One blob cut along an axis, at the points given or into equal parts."""

    top_count = (1, None)

    def setup(self) -> list[Shape]:
        param = self.definition.slice_param
        if param.HasField("axis") and param.HasField("slice_dim"):
            raise self.error("slice_dim", 'is given beside "axis"; Caffe takes one of them')
        field = "slice_dim" if param.HasField("slice_dim") else "axis"
        self.along = self.axis(field, getattr(param, field), self.bottom)
        index = self.along - 1
        self.cuts = self._cuts(self.bottom[index])
        before, after = self.bottom[:index], self.bottom[index + 1 :]
        return [(*before, end - start, *after) for start, end in pairwise(self.cuts)]

    def emit(self, writer: GraphWriter, bottoms: list[fx.Node]) -> list[fx.Node]:
        index = self.along - 1
        parts = [Part(self.along, (start,), (end - start,), index > 0) for start, end in pairwise(self.cuts)]
        return [writer.module(self.definition.name, part, bottoms[0]) for part in parts]

    def _cuts(self, size: int) -> list[int]:
        points, count = list(self.definition.slice_param.slice_point), len(self.definition.top)
        if not points:
            if size % count:
                raise self.error("top", f"{size} values cannot be cut into {count} equal parts")
            return [size // count * part for part in range(count + 1)]
        cuts = [0, *points, size]
        if len(points) != count - 1 or any(start >= end for start, end in pairwise(cuts)):
            raise self.error("slice_point", f"{points} do not cut {size} values into {count} parts")
        return cuts


@layer_type("Crop")
class Crop(ModuleLayer):
    """The first bottom, cut to the second one's size from an axis on."""

    bottom_count = (2, 2)

    def setup(self) -> list[Shape]:
        param = self.definition.crop_param
        axes = len(self.bottom) + 1
        first = param.axis + axes if param.axis < 0 else param.axis
        if not 0 <= first < axes:
            raise self.error("axis", f"axis {param.axis} does not exist in a blob of {axes} axes")
        offsets = list(param.offset) or [0]
        if len(offsets) not in (1, axes - first):
            raise self.error("offset", f"has {len(offsets)} values for {axes - first} axes")
        offsets = offsets * (axes - first) if len(offsets) == 1 else offsets
        if first == 0 and len(param.offset) > 1 and offsets.pop(0):
            raise self.error("offset", "an offset along the batch is not supported")
        self.first = max(first, 1)
        self.offsets = tuple(offsets[-(axes - self.first) :])
        return [self._cropped(self.first - 1)]

    def _cropped(self, index: int) -> Shape:
        wanted = self.bottoms[1]
        if len(wanted) != len(self.bottom):
            raise self.error("bottom", f"blobs of the shapes {self.bottom} and {wanted} have different axes")
        for size, want, offset in zip(self.bottom[index:], wanted[index:], self.offsets, strict=True):
            if offset + want > size:
                raise self.error("offset", f"{want} values from {offset} on leave the blob of {size}")
        return (*self.bottom[:index], *wanted[index:])

    def emit(self, writer: GraphWriter, bottoms: list[fx.Node]) -> list[fx.Node]:
        return [writer.module(self.definition.name, self.module(), bottoms[0])]

    def module(self) -> nn.Module:
        return Part(self.first, self.offsets, self.tops[0][self.first - 1 :], moves_places=True)


class Part(nn.Module):
    """A block of a blob: from axis `first` on, `sizes` values from `offsets` on. Keeps places unless `moves_places`."""

    kind = "slice"

    def __init__(self, first: int, offsets: tuple[int, ...], sizes: Shape, moves_places: bool) -> None:
        super().__init__()
        self.first, self.offsets, self.sizes = first, offsets, sizes
        self.elementwise = not moves_places

    @property
    def window(self) -> Window | None:
        """A crop's places lie further down and right in its input."""
        if self.elementwise:
            return None
        down_and_right = dict(enumerate(self.offsets, self.first))
        return Window((1, 1), padding=(-down_and_right.get(2, 0), -down_and_right.get(3, 0)), cuts_border=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the part, a view of the same dtype; `x` has any shape with these axes."""
        for axis, (offset, size) in enumerate(zip(self.offsets, self.sizes, strict=True), self.first):
            x = x.narrow(axis, offset, size)
        return x
