"""The part of the image that a unit at a place sees, in the image and in the layers below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.method.targets import sees_whole_image
from deepvis_toolbox.words.layer import Rect
from deepvis_toolbox.words.unit import Place


@dataclass(frozen=True)
class SeenPlaces:
    """Of a unit that sees a part of the image alone."""

    field: Rect
    """What it sees, in pixels of the input; it may leave the image."""
    windows: Mapping[str, Rect]
    """By layer below with places: those whose own receptive field has its middle in `field`; at least one."""


def seen_places(net: Network, layer: str, place: Place) -> SeenPlaces | None:
    """Return what a layer's unit sees at a place (as `filled_place` gives it); None where it is the whole image."""
    if not isinstance(place, tuple) or sees_whole_image(net, layer, place):
        return None
    field = net.receptive_field(layer, place)
    below = [name for name in net.layers_below(layer) if net.layers[name].is_spatial]
    return SeenPlaces(field, {name: _window(net, name, field) for name in below})


def _window(net: Network, layer: str, field: Rect) -> Rect:
    height, width = net.layers[layer].map_shape
    first, last = net.receptive_field(layer, (0, 0)), net.receptive_field(layer, (height - 1, width - 1))
    rows = _span((first.top + first.bottom) / 2, (last.top + last.bottom) / 2, height, field.top, field.bottom)
    columns = _span((first.left + first.right) / 2, (last.left + last.right) / 2, width, field.left, field.right)
    return Rect(rows[0], columns[0], rows[1], columns[1])


def _span(first: float, last: float, count: int, low: int, high: int) -> tuple[int, int]:
    """Return which of `count` places, evenly from the middle `first` to `last`, lie between `low` and `high`, half
    open; where none does, the nearest."""
    step = (last - first) / max(1, count - 1)
    middles = [first + number * step for number in range(count)]
    inside = [number for number, middle in enumerate(middles) if low <= middle < high]
    if inside:
        return inside[0], inside[-1] + 1
    nearest = min(range(count), key=lambda number: abs(middles[number] - (low + high) / 2))
    return nearest, nearest + 1
