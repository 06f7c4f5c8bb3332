"""Which unit each tile shows: the one mapping between the tiles' places and the layer's units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

TileOrder = Literal["number", "maximum", "mean", "share"]
TILE_ORDERS: tuple[TileOrder, ...] = ("number", "maximum", "mean")
WITH_A_SCAN: tuple[TileOrder, ...] = (*TILE_ORDERS, "share")

HOLD_SECONDS = 1.0
"""How long the tiles keep their places, so that a person can look at one."""


@dataclass(frozen=True)
class TileUnits:
    """A layer's units in the order of its tiles; those that have no tile are left out."""

    layer: str
    units: tuple[int, ...]

    def of(self, layer: str, channels: int) -> Sequence[int]:
        """Return the units of a layer's tiles: in the order of their numbers where this is another layer's order."""
        return self.units if layer == self.layer else range(channels)


class HeldOrder:
    """The order that the tiles have now. It takes over a newer one a second later, at once where nothing moves."""

    def __init__(self) -> None:
        self.due: float | None = None
        """When an order that has come already is taken over; None where none waits."""
        self._question: object = None
        self._units: TileUnits | None = None
        self._since = 0.0

    def clear(self) -> None:
        """Forget the order."""
        self._question = self._units = self.due = None

    def follow(self, question: object, newest: TileUnits | None, is_still: bool, now: float) -> TileUnits | None:
        """Return the order to show at the time `now`, in seconds. `newest`: the newest answer to `question`, where it
        has come; until then the former order stays."""
        self.due = None
        if newest is None or newest == self._units:
            self._question = question if newest else self._question
            return self._units
        if is_still or question != self._question or now - self._since >= HOLD_SECONDS:
            self._question, self._units, self._since = question, newest, now
        else:
            self.due = self._since + HOLD_SECONDS
        return self._units
