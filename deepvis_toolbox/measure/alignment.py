"""Where a layer's places lie in the picture: by their receptive fields, not by stretching the map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.words.images import Floats
from deepvis_toolbox.words.layer import Rect

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network


@dataclass(frozen=True, eq=False)
class PlacesInPicture:
    """The rows and columns of a layer's maps, in input pixels. What a row sees depends on no column."""

    rows: NDArray[np.int64]
    """(H, 2): the first input row that each row of the map sees, and the one behind the last; they may leave it."""
    columns: NDArray[np.int64]
    """(W, 2): the same for columns."""
    size: tuple[int, int]
    """The input's (height, width)."""
    by_fields: bool
    """False: every place sees the whole picture, or which part is not known; the maps are stretched over it."""

    def field(self, row: int, column: int) -> Rect:
        """Return the receptive field of a place."""
        (top, bottom), (left, right) = self.rows[row], self.columns[column]
        return Rect(int(top), int(left), int(bottom), int(right))

    def seeing(self, y: int, x: int) -> tuple[slice, slice]:
        """Return the rows and the columns of the map whose receptive fields hold an input pixel."""
        return _holding(self.rows, y), _holding(self.columns, x)

    def spread(self, values: Floats) -> Floats:
        """Return a map, float32 (H, W), over the input, (height, width): each value at the middle of its receptive
        field, linear between, the outermost on to the border."""
        down = _weights(self._middles(0), self.size[0])
        across = _weights(self._middles(1), self.size[1])
        spread: Floats = down @ values.astype(np.float32) @ across.T
        return spread

    def shares_inside(self, region: Rect) -> Floats:
        """Return how much of each place's cell, the part of the input nearer to its middle than to its neighbours',
        lies in a region: float32 (H, W), 0 to 1."""
        rows = _shares(self._middles(0), self.size[0], region.top, region.bottom)
        columns = _shares(self._middles(1), self.size[1], region.left, region.right)
        return np.outer(rows, columns).astype(np.float32)

    def _middles(self, axis: int) -> NDArray[np.float64]:
        return np.asarray((self.rows, self.columns)[axis].mean(1), np.float64)


_KNOWN: WeakKeyDictionary[Network, dict[str, PlacesInPicture]] = WeakKeyDictionary()


def places_in_picture(network: Network, layer: str) -> PlacesInPicture:
    """Return where a layer's places lie; worked out once a network. `ToolboxError` for a layer without places."""
    known = _KNOWN.setdefault(network, {})
    name = network.layers.canonical(layer)
    if name not in known:
        known[name] = _found(network, name)
    return known[name]


def _found(network: Network, name: str) -> PlacesInPicture:
    layer, size = network.layers[name], network.input_shape[1:]
    height, width = layer.map_shape
    if not layer.is_spatial and layer.token_grid is None:
        raise ToolboxError(f'layer "{name}" has no places; where it looks in the picture cannot be said')
    fields = [network.receptive_field(name, (row, 0)) for row in range(height)]
    rows = np.array([(field.top, field.bottom) for field in fields])
    fields = [network.receptive_field(name, (0, column)) for column in range(width)]
    columns = np.array([(field.left, field.right) for field in fields])
    if _tell_apart(rows) and _tell_apart(columns):
        return PlacesInPicture(rows, columns, size, True)
    return PlacesInPicture(_stretched(height, size[0]), _stretched(width, size[1]), size, False)


def _tell_apart(spans: NDArray[np.int64]) -> bool:
    """Return whether the middles go up from place to place; a gated layer's do not, which sees all everywhere."""
    return len(spans) == 1 or bool((np.diff(spans.sum(1)) > 0).all())


def _stretched(count: int, size: int) -> NDArray[np.int64]:
    edges = np.arange(count + 1) * size / count
    return np.stack([np.floor(edges[:-1]), np.ceil(edges[1:])], 1).astype(np.int64)


def _holding(spans: NDArray[np.int64], pixel: int) -> slice:
    inside = np.flatnonzero((spans[:, 0] <= pixel) & (pixel < spans[:, 1]))
    return slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else slice(0, 0)


def _weights(middles: NDArray[np.float64], size: int) -> Floats:
    """Return (size, places): what each place gives to each pixel, whose middle is half a pixel on."""
    pixels = np.arange(size) + 0.5
    each = [np.interp(pixels, middles, row) for row in np.eye(len(middles))]
    return np.stack(each, 1).astype(np.float32)


def _shares(middles: NDArray[np.float64], size: int, first: int, end: int) -> NDArray[np.float64]:
    """Return which share of each place's cell lies between two pixels; cells that hang over the border are cut."""
    between = (middles[1:] + middles[:-1]) / 2
    edges = np.clip([0.0, *between, float(size)], 0, size)
    inside = np.clip(edges[1:], first, end) - np.clip(edges[:-1], first, end)
    lengths = np.diff(edges)
    return np.divide(inside, lengths, out=np.zeros_like(lengths), where=lengths > 0)
