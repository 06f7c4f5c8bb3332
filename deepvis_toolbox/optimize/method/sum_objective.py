"""The objective of a sum over several layers, places and areas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from deepvis_toolbox.network.recording import Recording
from deepvis_toolbox.optimize.method.composites import Term
from deepvis_toolbox.optimize.method.objective import LayerObjective, Objective, Reading, as_maps, from_maps, of_no_unit
from deepvis_toolbox.words.layer import Layer


class TermObjective(LayerObjective):
    """The mean of a unit over an area, or by a mask, or the mean square of all units."""

    def __init__(self, layer: Layer, term: Term, direction: int) -> None:
        """`direction`: 1 up, -1 down. The term's factor is the sum's."""
        self.layer, self.direction = layer, direction
        self._channels = slice(None) if term.channel is None else slice(term.channel, term.channel + 1)
        self._squared = term.channel is None
        self._places = _places_of(term, layer)
        self._shares = _shares_of(term, layer)

    def read(self, values: torch.Tensor, below: torch.Tensor) -> Reading:
        """Do as the base class says."""
        of_both = [self._own(each) for each in (values, values if self._squared else below)]
        return of_no_unit(*(self._mean(each.square() if self._squared else each) for each in of_both))

    def diff(self, values: torch.Tensor, below: torch.Tensor) -> torch.Tensor:
        """Do as the base class says."""
        maps = torch.zeros_like(as_maps(below, self.layer))
        own = self._own(values)
        slope = 2 * own if self._squared else torch.ones_like(own)
        places = slice(None) if self._places is None else self._places.to(maps.device)
        share = 1 / own[0].numel() if self._shares is None else self._shares.to(maps)
        maps[:, self._channels, places] = slope * (self.direction * share)
        return from_maps(maps, self.layer)

    def only(self, rows: torch.Tensor) -> TermObjective:  # noqa: ARG002
        """Do as the base class says."""
        return self

    def _mean(self, own: torch.Tensor) -> torch.Tensor:
        """Return the mean of (N, channels, places), (N,)."""
        return own.flatten(1).mean(1) if self._shares is None else (own * self._shares.to(own)).sum((1, 2))

    def _own(self, values: torch.Tensor) -> torch.Tensor:
        """Return its channels at its places, float32 (N, channels, places)."""
        maps = as_maps(values, self.layer)[:, self._channels]
        return maps if self._places is None else maps[..., self._places.to(maps.device)]


class SumObjective(Objective):
    """A weighted sum of terms."""

    def __init__(self, parts: Sequence[tuple[float, TermObjective]]) -> None:
        """Take `parts`: (factor, objective), on any layers; the farthest layer is the sum's."""
        self.parts = tuple(parts)

    @property
    def layers(self) -> tuple[str, ...]:
        """Do as the base class says."""
        return tuple(dict.fromkeys(part.layer.name for _, part in self.parts))

    def look(self, recording: Recording) -> tuple[Reading, dict[str, torch.Tensor]]:
        """Do as the base class says."""
        readings: list[Reading] = []
        diffs: dict[str, torch.Tensor] = {}
        for factor, part in self.parts:
            reading, found = part.look(recording)
            readings.append(of_no_unit(factor * reading.objective, factor * reading.below))
            diffs = added(diffs, {layer: factor * diff for layer, diff in found.items()})
        of_both = (torch.stack([getattr(each, name) for each in readings]).sum(0) for name in ("objective", "below"))
        return of_no_unit(*of_both), diffs

    def only(self, rows: torch.Tensor) -> SumObjective:  # noqa: ARG002
        """Do as the base class says."""
        return self


def added(diffs: Mapping[str, torch.Tensor], more: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the derivatives of both by layer, float32 (N, …), their sum where both have a layer."""
    return {**diffs, **{name: diffs[name] + diff if name in diffs else diff for name, diff in more.items()}}


def _shares_of(term: Term, layer: Layer) -> torch.Tensor | None:
    """Return what each place counts by a mask, float32 (places,), of all places of a flattened map; None without."""
    if term.mask is None:
        return None
    shares = torch.tensor(term.mask, dtype=torch.float32).flatten()
    first = layer.flat_place(0, 0)  # tokens that are no place come before
    return torch.cat([torch.zeros(first), shares])


def _places_of(term: Term, layer: Layer) -> torch.Tensor | None:
    """Return the places' indices in a flattened map, int64 (places,); None for all."""
    if term.area is None or not (layer.is_spatial or layer.token_grid):
        return None
    top, left, bottom, right = term.area
    rows, columns = torch.arange(top, bottom), torch.arange(left, right)
    return (layer.flat_place(0, 0) + rows[:, None] * layer.map_shape[1] + columns).flatten()
