"""How people write units: `layer:unit`, `layer:unit@row,col`, `layer:unit@mean`, `layer:all`, `layer:0-99,120`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from numbers import Integral
from typing import Literal, cast

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.words.layer import Layer, Layers

Place = tuple[int, int] | Literal["mean"] | None

_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
_PLACE = re.compile(r"(\d+),(\d+)")


@dataclass(frozen=True)
class Unit:
    """One unit: a channel of a layer, at a place (row, column), over the whole channel (`"mean"`), or at its default
    place (None: the centre of a spatial layer). `str(unit)` is its address."""

    layer: str
    channel: int
    place: Place = None

    def __str__(self) -> str:
        if self.place is None:
            return f"{self.layer}:{self.channel}"
        where = "mean" if self.place == "mean" else f"{self.place[0]},{self.place[1]}"
        return f"{self.layer}:{self.channel}@{where}"


def parse_units(address: str, layers: Layers) -> list[Unit]:
    """Return the units that an address means, in order, with the layers' listed names.

    Raises `ToolboxError` that names the layer's range where a unit or a place does not exist, the nearest name where
    the layer does not.
    """
    name, colon, rest = address.strip().rpartition(":")
    if not colon or not name:
        forms = "layer:unit, layer:unit@row,col, layer:all or layer:0-9"
        raise ToolboxError(f'"{address}" is not an address; write {forms}')
    layer = layers[layers.canonical(name)]
    channels, at, where = rest.partition("@")
    place = _parse_place(where, layer, address) if at else None
    return [Unit(layer.name, channel, place) for channel in _parse_channels(channels.strip(), layer, address)]


def parse_unit(address: str, layers: Layers) -> Unit:
    """Return the one unit that an address means; `ToolboxError` where it means several."""
    units = parse_units(address, layers)
    if len(units) != 1:
        raise ToolboxError(f'"{address}" means {len(units)} units; one is wanted here')
    return units[0]


def checked_unit(unit: Unit, layers: Layers) -> Unit:
    """Return the same unit with its layer's listed name; `ToolboxError` where the network does not have it."""
    layer = layers[layers.canonical(unit.layer)]
    checked_place(unit.place, layer, f"{unit.layer}:{unit.channel}")
    return parse_unit(str(unit), layers)


def checked_place(place: object, layer: Layer, address: str) -> Place:
    """Return the place, where the layer has it; `ToolboxError`, which names `address`, where it does not."""
    if place is None or place == "mean":
        return cast(Place, place)
    if not (isinstance(place, tuple) and len(place) == 2 and all(isinstance(each, Integral) for each in place)):
        raise ToolboxError(f'{place!r} is no place for "{address}"; it is (row, column), "mean" or None')
    row, column = int(place[0]), int(place[1])
    if layer.is_tokens:
        raise ToolboxError(f'layer "{layer.name}" has tokens and no places; write "{address}@mean" for all of them')
    height, width = layer.shape[1:] if layer.is_spatial else (1, 1)
    if not (0 <= row < height and 0 <= column < width):
        places = f"0,0 to {height - 1},{width - 1}"
        raise ToolboxError(f'layer "{layer.name}" has places {places}; "{address}" at {row},{column} lies outside')
    return row, column


def _parse_channels(text: str, layer: Layer, address: str) -> list[int]:
    if text == "all":
        return list(range(layer.channels))
    channels: list[int] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if not match:
            raise ToolboxError(f'"{part}" in "{address}" is neither a unit, a range such as 0-9, nor "all"')
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ToolboxError(f'the range "{part}" in "{address}" runs backwards')
        if last >= layer.channels:
            raise ToolboxError(f'layer "{layer.name}" has units 0 to {layer.channels - 1}; "{address}" asks for {last}')
        channels.extend(range(first, last + 1))
    return list(dict.fromkeys(channels))


def _parse_place(text: str, layer: Layer, address: str) -> Place:
    if text.strip() == "mean":
        return "mean"
    match = _PLACE.fullmatch(text.replace(" ", ""))
    if not match:
        raise ToolboxError(f'"@{text}" in "{address}" is no place; write @row,col or @mean')
    return checked_place((int(match[1]), int(match[2])), layer, address.partition("@")[0])
