"""How people write units: `layer:unit`, `layer:unit@row,col`, `layer:unit@mean`, `layer:all`, `layer:0-99,120`.

In a label layer a class's name stands for its unit: `fc:ostrich`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from numbers import Integral
from typing import Literal, cast

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.words.class_names import ClassNames
from deepvis_toolbox.words.layer import Layer, Layers

Place = tuple[int, int] | Literal["mean"] | None

_RANGE = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?")
_PLACE = re.compile(r"([0-9]{1,18}),([0-9]{1,18})")


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


def parse_units(address: str, layers: Layers, classes: ClassNames | None = None) -> list[Unit]:
    """Return the units that an address means, in order, with the layers' listed names. `classes`: their names.

    Raises `ToolboxError` that names the layer's range where a unit or a place does not exist, the nearest name where
    the layer or the class does not.
    """
    classes = classes or ClassNames()
    name, rest = _divided(address.strip(), layers)
    layer = layers[layers.canonical(name)]
    if classes.is_class(rest, layer.name):  # before it is divided: names may hold commas and signs
        return [_named_unit(rest, layer, classes, address)]
    channels, at, where = rest.partition("@")
    place = _parse_place(where, layer, address) if at else None
    found = _parse_channels(channels.strip(), layer, classes, address)
    return [Unit(layer.name, channel, place) for channel in found]


def parse_unit(address: str, layers: Layers, classes: ClassNames | None = None) -> Unit:
    """Return the one unit that an address means; `ToolboxError` where it means several."""
    units = parse_units(address, layers, classes)
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
    if layer.is_tokens and layer.token_grid is None:
        raise ToolboxError(f'layer "{layer.name}" has tokens and no places; write "{address}@mean" for all of them')
    height, width = layer.map_shape
    if not (0 <= row < height and 0 <= column < width):
        places = f"0,0 to {height - 1},{width - 1}"
        raise ToolboxError(f'layer "{layer.name}" has places {places}; "{address}" at {row},{column} lies outside')
    return row, column


def _divided(address: str, layers: Layers) -> tuple[str, str]:
    """(layer, what is said of its units), at the last colon that stands behind a layer's name, or else the last one."""
    colons = [match.start() for match in re.finditer(":", address)]
    at = next((colon for colon in reversed(colons) if address[:colon] in layers), colons[-1] if colons else 0)
    if not at:
        forms = "layer:unit, layer:unit@row,col, layer:all or layer:0-9"
        raise ToolboxError(f'"{address}" is not an address; write {forms}')
    return address[:at], address[at + 1 :].strip()


def _parse_channels(text: str, layer: Layer, classes: ClassNames, address: str) -> list[int]:
    if text == "all":
        return list(range(layer.channels))
    if classes.is_class(text, layer.name):
        return [_named_unit(text, layer, classes, address).channel]
    channels: list[int] = []
    for part in (each.strip() for each in text.split(",")):
        match = _RANGE.fullmatch(part)
        if not match:
            channels.append(_named_unit(part, layer, classes, address).channel)
            continue
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ToolboxError(f'the range "{part}" in "{address}" runs backwards')
        _check_channel(last, layer, address)
        channels.extend(range(first, last + 1))
    return list(dict.fromkeys(channels))


def _named_unit(name: str, layer: Layer, classes: ClassNames, address: str) -> Unit:
    """Return the unit whose class has this name."""
    channel = classes.channel(name, layer.name, address)
    _check_channel(channel, layer, address)
    return Unit(layer.name, channel)


def _check_channel(channel: int, layer: Layer, address: str) -> None:
    if channel >= layer.channels:
        raise ToolboxError(f'layer "{layer.name}" has units 0 to {layer.channels - 1}; "{address}" asks for {channel}')


def _parse_place(text: str, layer: Layer, address: str) -> Place:
    if text.strip() == "mean":
        return "mean"
    match = _PLACE.fullmatch(text.replace(" ", ""))
    if not match:
        raise ToolboxError(f'"@{text}" in "{address}" is no place; write @row,col or @mean')
    return checked_place((int(match[1]), int(match[2])), layer, address.partition("@")[0])
