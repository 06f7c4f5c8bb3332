"""What a Caffe layer type is here, and the registry of all of them.

A new type is one class in one file of `layers/`, or in a file of the user's own, decorated with
`@layer_type("Name", old_name="NAME")`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import fx, nn

from deepvis_toolbox.caffe.graph_writer import GraphWriter
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.registry import Registry

Shape = tuple[int, ...]
"""A blob's shape for one image: without the batch, Caffe's axis 0."""


class LayerType(ABC):
    """One layer of a prototxt, checked, with the shapes of what it reads, writes and has learned.

    A subclass reads its fields in `setup`, which sets `tops` and `parameters`, and makes the layer in `emit`.
    """

    old_name: ClassVar[str] = ""
    """The type's name in the older generation, or an empty string where it did not exist yet."""

    bottom_count: ClassVar[tuple[int, int | None]] = (1, 1)
    """The fewest and the most blobs that it reads (None: any number)."""

    top_count: ClassVar[tuple[int, int | None]] = (1, 1)

    def __init__(self, definition: Any, bottoms: Sequence[Shape], path: Path) -> None:
        self.definition = definition
        self.bottoms = list(bottoms)
        self.path = path
        self.parameters: list[Shape] = []
        self.blobs: list[torch.Tensor] = []
        """The stored parameters, of the shapes in `parameters`, once they are read."""
        self._check_count("bottom", self.bottom_count)
        self._check_count("top", self.top_count)
        self.tops: list[Shape] = self.setup()

    @abstractmethod
    def setup(self) -> list[Shape]:
        """Read and check the fields, set `parameters` (the stored blobs' shapes), and give the tops' shapes."""

    @abstractmethod
    def emit(self, writer: GraphWriter, bottoms: list[fx.Node]) -> list[fx.Node]:
        """Write the layer's nodes; `blobs` is filled by then. Gives one node for each top."""

    def working_values(self) -> int:
        """Return how many values are held beside bottoms and tops while one image's are computed, at most."""
        return 2 * sum(map(math.prod, self.tops))

    def products(self) -> int:
        """Return how many multiplications one image takes; 0 where that is no more than a few for each value."""
        return 0

    @property
    def bottom(self) -> Shape:
        """The shape of the first blob that it reads."""
        return self.bottoms[0]

    def error(self, field: str, problem: str) -> ToolboxError:
        """Return a `ToolboxError` that names file, layer and field."""
        at = f', field "{field}"' if field else ""
        return ToolboxError(f'{self.path}: layer "{self.definition.name}" ({self.definition.type}){at}: {problem}')

    def axis(self, field: str, value: int, shape: Shape, last: int = 0) -> int:
        """Return a field's axis, counted as Caffe does (0 is the batch, -1 the last), as an index into Caffe's full
        shape.

        Axis 0 is refused: it would mix the images of a batch. `last` = 1 allows the place after the last axis too.
        """
        axes = len(shape) + 1
        axis = value + axes if value < 0 else value
        if not 0 <= axis < axes + last:
            raise self.error(field, f"axis {value} does not exist in a blob of {axes} axes")
        if axis == 0:
            raise self.error(field, "axis 0 would mix the images of a batch, which is not supported")
        return axis

    def positive(self, field: str, value: int) -> int:
        """Return a field that must be at least 1."""
        if value < 1:
            raise self.error(field, f"is {value}; it must be at least 1")
        return value

    def spatial(self) -> tuple[int, int, int]:
        """Return the first bottom as (C, H, W)."""
        if len(self.bottom) != 3:
            raise self.error("bottom", f"it reads maps (C, H, W), but its bottom has the shape {self.bottom}")
        return self.bottom[0], self.bottom[1], self.bottom[2]

    def _check_count(self, what: str, allowed: tuple[int, int | None]) -> None:
        count = len(getattr(self.definition, what))
        low, high = allowed
        if count < low or (high is not None and count > high):
            number = f"{low}" if low == high else f"at least {low}" if high is None else f"{low} to {high}"
            raise self.error(what, f"has {count}, takes {number}")


class ModuleLayer(LayerType):
    """A layer that is one module, applied to all its bottoms."""

    @abstractmethod
    def module(self) -> nn.Module:
        """Return the module that computes the layer."""

    def emit(self, writer: GraphWriter, bottoms: list[fx.Node]) -> list[fx.Node]:
        return [writer.module(self.definition.name, self.module(), *bottoms)]


class ElementwiseLayer(ModuleLayer):
    """A layer whose top has its bottom's shape."""

    def setup(self) -> list[Shape]:
        return [self.bottom]


LayerTypeClass = TypeVar("LayerTypeClass", bound=LayerType)

LAYER_TYPES: Registry[type[LayerType]] = Registry("Caffe layer type", home="deepvis_toolbox.caffe.layers")
"""Every layer type that is computed, by its name in Caffe."""


IN_PLACE_ACTIVATIONS = frozenset(
    {"ReLU", "ReLU6", "PReLU", "ELU", "Sigmoid", "TanH", "BNLL", "AbsVal", "Swish", "Clip", "Threshold"}
)
"""Where one of these is in place on a blob, a backward pass starts and arrives below it, as the blob's diff does."""


def layer_type(name: str, old_name: str = "") -> Callable[[type[LayerTypeClass]], type[LayerTypeClass]]:
    """Return a decorator for a layer type: its Caffe name, and that of the older generation where it had one."""

    def register(kind: type[LayerTypeClass]) -> type[LayerTypeClass]:
        kind.old_name = old_name
        return LAYER_TYPES.add(name, kind)

    return register
