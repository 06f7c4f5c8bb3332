"""What a name in an ONNX file stands for while its graph is made: a node, or numbers that are known already.

Every value is worked out for one, two and three images. A number that comes out the same each time is settled; of one
that grows with the images it is known by how much, so that the graph made of it works for any number of them. Where a
file works for one image alone, it is worked out for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

ANY_NUMBER = (1, 2, 3)
ONE_ALONE = (1,)


class GrowsWithTheBatchError(ValueError):
    """Something depends on the number of images in a way that no graph for any number of them has."""


@dataclass(frozen=True)
class Size:
    """A whole number that grows with the number of images: `slope` times it, and `base`."""

    slope: int
    base: int

    def for_images(self, count: int) -> int:
        """Return the number for so many images."""
        return self.slope * count + self.base


Number = int | Size


@dataclass(frozen=True, eq=False)
class Value:
    """One tensor. `samples`: for each number of images; without data (on the device meta) unless it is known."""

    samples: tuple[torch.Tensor, ...]
    node: fx.Node | None = None
    is_known: bool = False
    quantized: tuple[Value, Value, Value | None] | None = None
    """(what it was, scale, zero point) of quantised numbers."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape for one image."""
        return tuple(self.samples[0].shape)

    @property
    def rank(self) -> int:
        """How many axes it has."""
        return self.samples[0].ndim

    @property
    def is_float(self) -> bool:
        """Whether it holds floats, and not whole numbers or truth values."""
        return self.samples[0].is_floating_point()

    @property
    def is_settled(self) -> bool:
        """Whether its numbers are known, and the same for any number of images."""
        first = self.samples[0]
        return self.is_known and all(torch.equal(first, other) for other in self.samples[1:] if other is not first)

    def settled(self, what: str) -> torch.Tensor:
        """Return the known tensor, float32, int64 or bool of any shape. ValueError where it depends on the image."""
        if not self.is_settled:
            raise ValueError(f"its {what} is computed from the image, and must be a constant")
        return self.samples[0]

    def numbers(self, what: str, counts: Sequence[int]) -> list[Number]:
        """Return known whole numbers, (K,) or one."""
        if not self.is_known:
            raise ValueError(f"its {what} is computed from the image, and must be known when it is opened")
        lists = [sample.reshape(-1).to(torch.int64).tolist() for sample in self.samples]
        return [size_of(each, counts) for each in zip(*lists, strict=True)]

    def sizes(self, counts: Sequence[int]) -> list[Number]:
        """Return the sizes of its axes."""
        return [size_of(each, counts) for each in zip(*(sample.shape for sample in self.samples), strict=True)]

    def batch_axes(self) -> list[int]:
        """Return the axes that are longer for more images."""
        shapes = [tuple(sample.shape) for sample in self.samples]
        return [axis for axis in range(self.rank) if len({shape[axis] for shape in shapes}) > 1]


def size_of(numbers: Sequence[int], counts: Sequence[int]) -> Number:
    """Return what gives these numbers for so many images each."""
    if len(set(numbers)) == 1:
        return int(numbers[0])
    slope, remainder = divmod(numbers[1] - numbers[0], counts[1] - counts[0])
    found = Size(int(slope), int(numbers[0] - slope * counts[0]))
    if remainder or any(found.for_images(count) != number for count, number in zip(counts, numbers, strict=True)):
        raise GrowsWithTheBatchError("a size depends on the number of images in an odd way")
    return found


def at(argument: Any, index: int, count: int) -> Any:
    """Return an argument as it is for the sample of that index, of so many images."""
    if isinstance(argument, Value):
        return argument.samples[index]
    if isinstance(argument, Size):
        return argument.for_images(count)
    if isinstance(argument, (list, tuple)):
        return type(argument)(at(part, index, count) for part in argument)
    return argument


def values_in(argument: Any) -> list[Value]:
    """Return the values among arguments."""
    if isinstance(argument, Value):
        return [argument]
    if isinstance(argument, (list, tuple)):
        return [value for part in argument for value in values_in(part)]
    return [value for part in argument.values() for value in values_in(part)] if isinstance(argument, dict) else []
