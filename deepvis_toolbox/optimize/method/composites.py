"""What several layers, places or whole layers are to do together: `fc:9 - 0.5*block5:7 + 0.01*block8@deepdream`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from deepvis_toolbox.errors import ToolboxError, user_path
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.sources.picture_process import decode_apart
from deepvis_toolbox.words.layer import Layer, Rect
from deepvis_toolbox.words.unit import Place, Unit, parse_units

DEEPDREAM = "@deepdream"
MASK = "@mask:"
_MASK = re.compile(rf"(.*){MASK}(.+)")
_AREA = re.compile(r"(.*)@\s*(\d+)\s*-\s*(\d+)\s*,\s*(\d+)\s*-\s*(\d+)\s*")


@dataclass(frozen=True)
class Term:
    """`factor` times the mean of a unit over an area, or of the squares of all units of a layer."""

    factor: float
    layer: str
    channel: int | None
    """None: the mean square over all units (DeepDream: Mordvintsev, Olah & Tyka 2015)."""
    area: Rect | None
    """Of the layer's own places, half open; None: all of them."""
    mask: tuple[tuple[float, ...], ...] | None = None
    """How much each of the layer's places counts, row by row, their sum 1; None: all in the area as much."""

    def __str__(self) -> str:
        what = f"{self.layer}{DEEPDREAM}" if self.channel is None else f"{self.layer}:{self.channel}"
        if self.mask is not None:
            return f"{self.factor:+.9g}*{what}{MASK}{hashlib.sha256(repr(self.mask).encode()).hexdigest()[:16]}"
        if self.area is None:
            return f"{self.factor:+.9g}*{what}"
        top, left, bottom, right = self.area
        return f"{self.factor:+.9g}*{what}@{top}-{bottom - 1},{left}-{right - 1}"


@dataclass(frozen=True)
class Composite:
    """A sum of terms on any layers and areas. The whole image counts as what it sees."""

    terms: tuple[Term, ...]
    layer: str
    """The farthest of its layers, in whose folder its pictures are kept."""
    name: str = field(compare=False)
    """As it was written, without spaces."""
    place: ClassVar[Place] = None

    @property
    def key(self) -> str:
        """SHA-256 of its terms."""
        return hashlib.sha256("".join(map(str, self.terms)).encode(errors="surrogateescape")).hexdigest()

    def __str__(self) -> str:
        return self.name


def composite_of(terms: list[Term], name: str, net: Network) -> Composite:
    """Return the sum of terms of the network's layers, what is the same of them put together. `ToolboxError` where
    nothing is left."""
    factors: dict[Term, float] = {}
    for term in terms:
        alone = replace(term, factor=1.0)
        factors[alone] = factors.get(alone, 0.0) + term.factor
    kept = tuple(replace(term, factor=factor) for term, factor in factors.items() if factor)
    if not kept:
        raise ToolboxError(f'nothing is left of "{name}": its terms cancel out')
    order = list(net.layers)
    farthest = max((term.layer for term in kept), key=order.index)
    named = re.sub(rf"{MASK}(\S+)", lambda mask: f"{MASK}{Path(mask[1]).stem}", name)
    return Composite(kept, farthest, re.sub(r"\s+", "", named))


def parse_area_or_layer(text: str, net: Network) -> list[Term] | None:
    """Return what `layer@deepdream`, `layer:units@rows,columns`, such as `block5:7@0-3,4-9`, or `layer:units@mask:FILE`
    means, times 1.

    None for neither; `ToolboxError` for one that the network does not have.
    """
    if text.endswith(DEEPDREAM):
        return [Term(1.0, net.layers.canonical(text.removesuffix(DEEPDREAM)), None, None)]
    if match := _MASK.fullmatch(text):
        units = parse_units(match[1], net.layers, net.class_names)
        masks = {name: _mask(match[2], net.layers[name]) for name in {unit.layer for unit in units}}
        return [Term(1.0, unit.layer, unit.channel, None, masks[unit.layer]) for unit in units]
    match = _AREA.fullmatch(text)
    if match is None:
        return None
    units = parse_units(match[1], net.layers, net.class_names)
    top, bottom, left, right = (int(number) for number in match.groups()[1:])
    area = Rect(top, left, bottom + 1, right + 1)
    return [Term(1.0, unit.layer, unit.channel, _inside(area, net.layers[unit.layer], text)) for unit in units]


def term_of(factor: float, unit: Unit) -> Term:
    """Return a unit, its place filled in, as a term."""
    area = Rect(*unit.place, unit.place[0] + 1, unit.place[1] + 1) if isinstance(unit.place, tuple) else None
    return Term(factor, unit.layer, unit.channel, area)


def _inside(area: Rect, layer: Layer, text: str) -> Rect:
    if not (layer.is_spatial or layer.token_grid):
        raise ToolboxError(f'layer "{layer.name}" has no map of places, so "{text}" has no area there; leave it out')
    height, width = layer.map_shape
    if area.top >= area.bottom or area.left >= area.right or area.bottom > height or area.right > width:
        raise ToolboxError(
            f'"{text}" is no area of layer "{layer.name}": rows lie in 0-{height - 1} and columns in 0-{width - 1}, '
            "the smaller number first"
        )
    return area


def _mask(path: str, layer: Layer) -> tuple[tuple[float, ...], ...]:
    """Return a picture, of any size, as weights of a layer's places: white counts, black does not."""
    if not (layer.is_spatial or layer.token_grid):
        raise ToolboxError(f'layer "{layer.name}" has no map of places, so a mask tells nothing there; leave it out')
    height, width = layer.map_shape
    grey = decode_apart(user_path(path)).astype(np.float32).mean(2)
    weights = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA).astype(np.float64)
    if not weights.any():
        raise ToolboxError(f'the mask "{path}" is black everywhere, so no place of layer "{layer.name}" counts')
    return tuple(tuple(float(value) for value in row) for row in weights / weights.sum())
