"""Objectives: the number that is climbed, as a function of one layer's values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from deepvis_toolbox.network.recording import Recording
from deepvis_toolbox.words.layer import Layer


@dataclass(frozen=True)
class Reading:
    """What the objectives of a batch are worth now; each (N,)."""

    objective: torch.Tensor
    """The activation, as the paper draws it: above the rectifier."""
    below: torch.Tensor
    """The same below the rectifier, which is what is climbed; ranks pictures whose activations are equal."""
    largest: torch.Tensor
    """int64: which unit of the layer is farthest in the direction of the ascent, at the same place; -1 where the
    objective is no unit."""
    is_max: torch.Tensor
    """bool: whether that is the unit climbed."""

    def only(self, mask: torch.Tensor) -> Reading:
        """Return the reading of the pictures where `mask`, bool (N,), is true."""
        return Reading(self.objective[mask], self.below[mask], self.largest[mask], self.is_max[mask])

    def over_views(self, count: int) -> Reading:
        """Return the mean of the readings of `count` views of each picture; its unit is the largest where it is so in
        every view."""
        objective, below = (each.reshape(-1, count).mean(1) for each in (self.objective, self.below))
        return Reading(objective, below, self.largest[::count], self.is_max.reshape(-1, count).all(1))

    def ranked_by(self, other: Reading, rows: torch.Tensor) -> Reading:
        """Return the same objectives, but of the pictures `rows`, int64 (M,), the rank that another reading gives
        them."""
        below, largest, is_max = self.below.clone(), self.largest.clone(), self.is_max.clone()
        below[rows], largest[rows], is_max[rows] = other.below, other.largest, other.is_max
        return Reading(self.objective, below, largest, is_max)


class Objective(ABC):
    """The objectives of a batch of pictures."""

    count: int | None = None
    """For how many pictures; None where all pictures have the same objective."""

    @property
    @abstractmethod
    def layers(self) -> tuple[str, ...]:
        """The layers whose values it needs."""

    @abstractmethod
    def look(self, recording: Recording) -> tuple[Reading, dict[str, torch.Tensor]]:
        """Read the objectives from a pass over the pictures. -> the reading, and by layer the derivative of each
        picture's climbed number by the values below its rectifier, float32 (N, …), in the direction of the ascent."""

    @abstractmethod
    def only(self, rows: torch.Tensor) -> Objective:
        """Return the objectives of some of the pictures, by their indices `rows`, int64 (M,)."""


class LayerObjective(Objective):
    """The objectives of a batch of pictures, all on one layer."""

    layer: Layer
    is_of_units: bool = True
    """Whether it grows with the values of units, so that values below rectifiers rank pictures of equal objectives."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Do as the base class says."""
        return (self.layer.name,)

    def look(self, recording: Recording) -> tuple[Reading, dict[str, torch.Tensor]]:
        """Do as the base class says."""
        name = self.layer.name
        values, below = recording.activations([name])[name], recording.below_rectifier(name)
        diff = self.diff(values, below)
        return self.read(values, below), {name: diff}

    @abstractmethod
    def read(self, values: torch.Tensor, below: torch.Tensor) -> Reading:
        """Read the objectives from the layer's values and those below its rectifier, both float32 (N, …)."""

    @abstractmethod
    def diff(self, values: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
        """Return the derivative of each picture's climbed number by `below`, in the direction of the ascent.

        It is float32 (N, …), as `values` and `below`.
        """

    @abstractmethod
    def only(self, rows: torch.Tensor) -> LayerObjective:
        """Do as the base class says."""


def as_maps(values: torch.Tensor, layer: Layer) -> torch.Tensor:
    """Return a layer's values, float32 (N, …), as float32 (N, units, places)."""
    if layer.is_spatial:
        return values.flatten(2)
    return values.transpose(1, 2) if layer.is_tokens else values.flatten(1)[..., None]


def from_maps(maps: torch.Tensor, layer: Layer) -> torch.Tensor:
    """Return maps, float32 (N, units, places), as the layer's values, float32 (N, …): the inverse of `as_maps`."""
    shaped = maps.transpose(1, 2) if layer.is_tokens else maps
    return shaped.reshape(len(maps), *layer.shape)


class UnitObjective(LayerObjective):
    """One unit for each picture: at a place (row, column), or the mean over the whole channel (None)."""

    def __init__(
        self,
        layer: Layer,
        place: tuple[int, int] | None,
        channels: torch.Tensor,
        direction: int = 1,
        against: float = 0.0,
        spread: float = 0.0,
    ) -> None:
        """Take `channels`: int64 (N,). `direction`: 1 up, -1 down. A flat layer has the place None. `against`: so much
        of the logsumexp of all units' values below the rectifier, at the same place, is subtracted from what is
        climbed. `spread`: so much of the channel's value at each other place is added to it."""
        self.layer, self.place, self.channels, self.direction = layer, place, channels, direction
        self.against, self.spread = against, spread if place is not None else 0.0
        self.count = len(channels)

    @property
    def is_one_value(self) -> bool:
        """Whether it is one of the layer's values, and neither over many places nor against others."""
        return not self.against and not self.spread and (self.place is not None or len(self.layer.shape) == 1)

    def read(self, values: torch.Tensor, below: torch.Tensor) -> Reading:
        """Do as the base class says."""
        return self.read_units(self._at_place(values), self._at_place(below))

    def read_units(self, values: torch.Tensor, below: torch.Tensor) -> Reading:
        """Read it from the values of all units at the place and those below the rectifier, both float32 (N, units)."""
        own = self.channels[:, None]
        largest = _farthest(values, below, self.direction)
        return Reading(values.gather(1, own)[:, 0], below.gather(1, own)[:, 0], largest, largest == self.channels)

    def diff(self, values: torch.Tensor, below: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Do as the base class says."""
        maps = torch.zeros_like(as_maps(below, self.layer))
        weights = torch.zeros_like(maps[..., 0]).scatter_(1, self.channels[:, None], self.direction)
        if self.against:
            weights -= self.against * self.direction * self._at_place(below).softmax(1)
        if self.place is None:
            maps[:] = weights[..., None] / maps.shape[2]
        else:
            maps[torch.arange(len(maps)), self.channels] = self.spread * self.direction
            maps[..., self._flat_place()] = weights
        return from_maps(maps, self.layer)

    def only(self, rows: torch.Tensor) -> UnitObjective:
        """Do as the base class says."""
        return UnitObjective(self.layer, self.place, self.channels[rows], self.direction, self.against, self.spread)

    def _at_place(self, values: torch.Tensor) -> torch.Tensor:
        maps = as_maps(values, self.layer)
        return maps.mean(2) if self.place is None else maps[..., self._flat_place()]

    def _flat_place(self) -> int:
        return self.layer.flat_place(*self.place) if self.place else 0


class DirectionObjective(LayerObjective):
    """A weighted sum of a layer's units, at a place or as the mean over all: a direction in the layer's space."""

    def __init__(self, layer: Layer, place: tuple[int, int] | None, weights: torch.Tensor, direction: int = 1) -> None:
        """Take `weights`: float32 (units,), the same for every picture."""
        self._units = UnitObjective(layer, place, torch.zeros(1, dtype=torch.int64), direction)
        self.layer, self.place, self.weights, self.direction = layer, place, weights, direction

    def read(self, values: torch.Tensor, below: torch.Tensor) -> Reading:
        """Do as the base class says."""
        return of_no_unit(self._units._at_place(values) @ self.weights, self._units._at_place(below) @ self.weights)

    def diff(self, values: torch.Tensor, below: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Do as the base class says."""
        maps = torch.zeros_like(as_maps(below, self.layer))
        if self.place is None:
            maps[:] = self.weights[:, None] * (self.direction / maps.shape[2])
        else:
            maps[..., self._units._flat_place()] = self.weights * self.direction
        return from_maps(maps, self.layer)

    def only(self, rows: torch.Tensor) -> DirectionObjective:  # noqa: ARG002
        """Do as the base class says."""
        return self


class PictureObjective(LayerObjective):
    """As this picture: minus the squared distance to the code that a picture has in the layer, below its rectifier,
    relative to the code's own squared norm (Mahendran & Vedaldi 2014, equation 1). 0 is a perfect match."""

    is_of_units = False

    def __init__(self, layer: Layer, code: torch.Tensor, direction: int = 1) -> None:
        """Take `code`: (…), the layer's value below its rectifier for the picture."""
        self.layer, self.code, self.direction = layer, code, direction
        self._scale = code.square().sum().clamp_min(1e-12)

    def read(self, values: torch.Tensor, below: torch.Tensor) -> Reading:  # noqa: ARG002
        """Do as the base class says."""
        match = -(below - self.code).square().flatten(1).sum(1) / self._scale
        return of_no_unit(match, match)

    def diff(self, values: torch.Tensor, below: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Do as the base class says."""
        return (below - self.code) * (-2 * self.direction / self._scale)

    def only(self, rows: torch.Tensor) -> PictureObjective:  # noqa: ARG002
        """Do as the base class says."""
        return self


def of_no_unit(objective: torch.Tensor, below: torch.Tensor) -> Reading:
    """Return the reading of objectives, both float32 (N,), that are no single unit's."""
    none = torch.full_like(objective, -1, dtype=torch.int64)
    return Reading(objective, below, none, torch.zeros_like(none, dtype=torch.bool))


def _farthest(values: torch.Tensor, below: torch.Tensor, direction: int) -> torch.Tensor:
    """Return the unit with the largest value (smallest for -1), (N,); equal ones are ranked by `below`, then by
    order."""
    towards = values * direction
    ahead = towards == towards.amax(1, keepdim=True)
    return torch.where(ahead, below * direction, -torch.inf).argmax(1)
