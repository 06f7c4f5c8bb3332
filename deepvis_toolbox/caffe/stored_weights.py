"""What a weights file offers once it is open: each layer's parameters, their shapes, and a way to read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_LAYERS = 10_000
"""A file with more of them is not read."""


@dataclass(frozen=True)
class StoredArray:
    """One parameter of a layer: its shape, and how to read its values (float32, in that shape)."""

    shape: tuple[int, ...]
    read: Callable[[], NDArray[np.float32]]


@dataclass
class StoredWeights:
    """The parameters of every layer in an open weights file, by layer name. Leaving the context closes the file."""

    path: Path
    layers: dict[str, list[StoredArray]] = field(default_factory=dict)
    resources: list[Any] = field(default_factory=list)

    def __enter__(self) -> StoredWeights:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for resource in reversed(self.resources):
            resource.close()


def without_leading_ones(shape: Sequence[int]) -> tuple[int, ...]:
    """Return a shape without its leading ones: how the four dimensions of older files agree with newer shapes."""
    first = next((index for index, size in enumerate(shape) if size != 1), len(shape))
    return tuple(shape[first:])
