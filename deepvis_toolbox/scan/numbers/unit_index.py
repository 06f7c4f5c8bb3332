"""All units of the scanned layers in one row: arrays over units are concatenated layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.words.layer import Layer, Layers


@dataclass(frozen=True)
class UnitIndex:
    """Where each layer's units are among all units of the scan."""

    layers: tuple[Layer, ...]

    @classmethod
    def of(cls, layers: Iterable[Layer]) -> UnitIndex:
        """Return that of a network's layers. Tokens that form a grid have places there, those in front of it none."""
        return cls(tuple(replace(layer, grid=layer.token_grid) for layer in layers))

    def without_token_places(self) -> UnitIndex:
        """Return the same layers as scans had them that kept no places of tokens."""
        return UnitIndex(tuple(replace(layer, grid=None) for layer in self.layers))

    @cached_property
    def slices(self) -> dict[str, slice]:
        """{layer: the positions of its units}."""
        ends = np.cumsum([layer.channels for layer in self.layers])
        return {
            layer.name: slice(int(end) - layer.channels, int(end)) for layer, end in zip(self.layers, ends, strict=True)
        }

    @cached_property
    def total(self) -> int:
        """How many units there are."""
        return sum(layer.channels for layer in self.layers)

    @cached_property
    def by_name(self) -> Layers:
        """The layers by their names; a group's name means its last scanned layer."""
        return Layers(self.layers)

    @property
    def names(self) -> list[str]:
        """The layers' names, in order."""
        return [layer.name for layer in self.layers]

    def spread(self, per_layer: Sequence[float]) -> NDArray[np.float64]:
        """Return a number for each layer as one for each unit, float64 (units,)."""
        return np.repeat(np.asarray(per_layer, np.float64), [layer.channels for layer in self.layers])

    def record(self) -> list[dict[str, Any]]:
        """Return the layers as plain data."""
        return [
            {"name": layer.name, "kind": layer.kind, "shape": list(layer.shape), "rectifier": layer.rectifier}
            | ({"grid": list(layer.grid)} if layer.grid else {})
            for layer in self.layers
        ]

    @classmethod
    def from_record(cls, record: Iterable[dict[str, Any]]) -> UnitIndex:
        """Return what `record` wrote down."""
        return cls(
            tuple(
                Layer(r["name"], r["kind"], tuple(r["shape"]), r["rectifier"], grid=_grid_of(r.get("grid")))
                for r in record
            )
        )


def grid_of_places(layer: Layer) -> tuple[int, int] | None:
    """Return (rows, columns) of the places that a scan keeps of a layer of its index; None where it keeps none."""
    return (layer.shape[1], layer.shape[2]) if layer.is_spatial else layer.grid


def _grid_of(recorded: Sequence[int] | None) -> tuple[int, int] | None:
    return (recorded[0], recorded[1]) if recorded else None


def chosen_layers(layers: Layers, patterns: str | Iterable[str] | None) -> list[str]:
    """Return the listed names that names, groups' names or patterns with `*` and `?` mean; all but the input by
    default.

    In the network's order, each once. `ToolboxError` for one that means nothing.
    """
    if patterns is None:
        return list(layers)[1:]
    wanted = layers.matching(patterns)
    if not wanted:
        raise ToolboxError("no layers were chosen; name at least one")
    return wanted
