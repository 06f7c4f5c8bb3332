"""Which grid of places the tokens of a transformer are: that of the map which they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from deepvis_toolbox.words.layer import Layer

MOST_OTHER_TOKENS = 8
"""Class tokens and registers in front of those of the grid."""
_KINDS_OF_MAPS = frozenset({"input", "conv", "pool", "upsample"})
"""What has maps also where it lies behind tokens; heads of attention have three axes, too."""


def with_token_grids(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers, in order of computation, those of tokens with their grid where a map before them tells it and
    it is not known yet.

    Of several maps with about as many places the one that leaves the fewest other tokens counts, then the nearest.
    """
    found: list[Layer] = []
    maps: list[tuple[int, int]] = []
    seen_tokens = False
    for layer in layers:
        seen_tokens |= layer.is_tokens
        if layer.is_spatial and min(layer.shape[1:]) > 1 and (not seen_tokens or layer.kind in _KINDS_OF_MAPS):
            maps.append((layer.shape[1], layer.shape[2]))
        found.append(replace(layer, grid=layer.grid or _grid(layer.shape[0], maps)) if layer.is_tokens else layer)
    return found


def _grid(tokens: int, maps: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    left = {size: tokens - size[0] * size[1] for size in maps}
    fitting = [size for size in reversed(maps) if 0 <= left[size] <= MOST_OTHER_TOKENS]
    return min(fitting, key=left.__getitem__, default=None)
