"""What a network may cost for one image, worked out from its shapes before any memory is taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from deepvis_toolbox.caffe.layer_types import LayerType, Shape
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.free_memory import free_memory

MAX_PRODUCTS = 1 << 41
"""Multiplications of one image's forward pass: a hundred times VGG-16's, a minute or so of a processor's."""
_BYTES = 4
_COPIES_OF_PARAMETERS = 2
"""As they are read, and as the engine lays them out."""


def check_budget(path: Path, input_shape: Shape, layers: Sequence[LayerType]) -> None:
    """Raise `ToolboxError` where one image takes more memory than is free now, or more time than anybody waits.

    Counted: all blobs, which a recording keeps; all parameters; and of the layer that needs most, its padded input, the
    columns that a convolution may be computed by, and temporary results.
    """
    kept = math.prod(input_shape) + sum(math.prod(top) for layer in layers for top in layer.tops)
    parameters = sum(math.prod(shape) for layer in layers for shape in layer.parameters)
    largest = max(layers, key=LayerType.working_values)
    needed = _BYTES * (kept + _COPIES_OF_PARAMETERS * parameters + largest.working_values())
    free = free_memory()
    if needed > free:
        raise ToolboxError(
            f"{path}: the network needs about {needed / 2**30:.1f} GiB of memory for one image, most of it in layer "
            f'"{largest.definition.name}", and {free / 2**30:.1f} GiB are free'
        )
    products = sum(layer.products() for layer in layers)
    if products > MAX_PRODUCTS:
        slowest = max(layers, key=LayerType.products)
        raise slowest.error("", f"the network takes {products:.0e} multiplications for one image, most of them here")
