"""What can be climbed: a unit, a direction in a layer, or likeness to a picture; and how targets form a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.composites import Composite
from deepvis_toolbox.optimize.method.objective import DirectionObjective, Objective, PictureObjective, UnitObjective
from deepvis_toolbox.optimize.method.sum_objective import SumObjective, TermObjective
from deepvis_toolbox.words.unit import Place, Unit, checked_place, checked_unit

FEW = 16
"""Pixels a side of what a unit sees that sees few."""


@dataclass(frozen=True)
class Direction:
    """A weighted sum of a layer's units, at a place (None: the centre; `"mean"`: over the whole layer)."""

    layer: str
    weights: NDArray[np.float32] = field(compare=False)
    """float32 (units,)."""
    name: str = "direction"
    place: Place = None
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", _hash_of(self.weights))

    def __str__(self) -> str:
        where = f"@{self.place[0]},{self.place[1]}" if isinstance(self.place, tuple) else ""
        return f"{self.layer}:{self.name}{where}"


@dataclass(frozen=True)
class LikePicture:
    """Likeness to a picture: the ascent looks for an image with the same values in the layer."""

    layer: str
    picture: NDArray[np.uint8] = field(compare=False)
    """RGB uint8 H×W×3."""
    name: str = "picture"
    place: ClassVar[Place] = None
    """The whole layer is matched."""
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", _hash_of(self.picture))

    def __str__(self) -> str:
        return f"{self.layer}:like-{self.name}"


Target = Unit | Direction | LikePicture | Composite


def checked_target(target: Target, net: Network) -> Target:
    """Return the target with its layer's listed name and its place filled in. `ToolboxError` where the network lacks
    it."""
    if isinstance(target, Unit):
        unit = checked_unit(target, net.layers)
        return Unit(unit.layer, unit.channel, filled_place(unit.place, unit.layer, net))
    if isinstance(target, Composite):
        return target
    layer = net.layers[net.layers.canonical(target.layer)]
    if isinstance(target, LikePicture):
        return LikePicture(layer.name, target.picture, target.name)
    weights = np.asarray(target.weights, np.float32)
    wanted = f'a direction in layer "{layer.name}" is {layer.channels} finite weights'
    if weights.shape != (layer.channels,):
        raise ToolboxError(f'{wanted}; "{target.name}" has the shape {weights.shape}')
    if not np.isfinite(weights).all():
        raise ToolboxError(f'{wanted}; one of "{target.name}" is not finite')
    place = checked_place(target.place, layer, f"{layer.name}:{target.name}")
    return Direction(layer.name, weights, target.name, filled_place(place, layer.name, net))


def layers_of(target: Target) -> list[str]:
    """Return the layers whose values a target is a function of."""
    return [term.layer for term in target.terms] if isinstance(target, Composite) else [target.layer]


def batch_key(target: Target) -> Hashable:
    """Targets with equal keys can climb in one batch."""
    return (target.layer, target.place) if isinstance(target, Unit) else target


def objective_of(targets: Sequence[Target], net: Network, settings: AscentSettings) -> Objective:
    """Return the objectives of a batch: checked targets with equal batch keys."""
    first, direction = targets[0], settings.push_dir
    if isinstance(first, Composite):
        return SumObjective(
            [(term.factor, TermObjective(net.layers[term.layer], term, direction)) for term in first.terms]
        )
    layer = net.layers[first.layer]
    if isinstance(first, LikePicture):
        code = net.record(net.preprocess(first.picture), [layer.name]).below_rectifier(layer.name)[0]
        return PictureObjective(layer, code, direction)
    place = None if first.place == "mean" else first.place
    if isinstance(first, Direction):
        weights = torch.tensor(first.weights, dtype=torch.float32, device=net.device)
        return DirectionObjective(layer, place, weights, direction)
    channels = [target.channel for target in targets if isinstance(target, Unit)]
    owned = torch.tensor(channels, device=net.device)
    return UnitObjective(layer, place, owned, direction, settings.against, settings.spread)


def filled_place(place: Place, layer_name: str, net: Network) -> Place:
    """Return the centre of a spatial layer where none is given; the mean over a layer of tokens; None for a flat
    one."""
    layer = net.layers[layer_name]
    if layer.is_spatial:
        return layer.centre if place is None else place
    if layer.token_grid is not None and place is not None:
        return place
    return None if len(layer.shape) == 1 else "mean"


def sees_whole_image(net: Network, layer: str, place: Place) -> bool:
    """Return whether what lies at that place (as `filled_place` gives it) can be influenced by every pixel."""
    if not isinstance(place, tuple):
        return True
    field, (_, height, width) = net.receptive_field(layer, place), net.input_shape
    return field.top <= 0 and field.left <= 0 and field.bottom >= height and field.right >= width


def sees_few_pixels(net: Network, layer: str, place: Place) -> bool:
    """Return whether nothing influences what lies at that place but a square of at most `FEW` pixels a side."""
    if not isinstance(place, tuple):
        return False
    field = net.receptive_field(layer, place)
    return max(field.bottom - field.top, field.right - field.left) <= FEW


def _hash_of(values: NDArray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
