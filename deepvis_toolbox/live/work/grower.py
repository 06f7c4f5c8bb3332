"""Pictures made on demand in the time that the live view leaves, in the worker's own thread and on its network."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from deepvis_toolbox.errors import ToolboxError, user_path
from deepvis_toolbox.unit_images.growth import Growth
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.unit import Unit

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network

SHARE = 0.18
"""How much of the time steps may take while frames come; the live view keeps the rest, more than four fifths."""
SECONDS_BETWEEN_VIEWS = 0.25


class Stepwise(Protocol):
    """Makes pictures of units step by step."""

    def advance(self, unit: Unit) -> None:
        """Do one more step for the unit."""

    def is_done(self, unit: Unit) -> bool:
        """Return whether all of the unit's are made, or cannot be made."""

    def growth(self, unit: Unit) -> Growth:
        """Return how far the unit's are."""


OpenGrower = Callable[["Network"], "Grower"]


class Grower:
    """Makes the pictures of the unit that the last request asks for; another request makes them wait."""

    def __init__(self, make: Callable[[], Stepwise], clock: Callable[[], float] = time.perf_counter) -> None:
        """`make` is called when pictures are first wanted."""
        self._make = make
        self._clock = clock
        self._made: Stepwise | None = None
        self._unit: Unit | None = None
        self._step_seconds = 0.0
        self._ended = -float("inf")
        self._shown_at = 0.0
        self._growth: Growth | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether there is something to make."""
        return self._unit is not None and not (self._growth is not None and self._growth.done)

    @property
    def growth(self) -> Growth | None:
        """How far the pictures of the last request's unit are; None where it asks for none."""
        return self._growth

    def follow(self, unit: Unit | None) -> None:
        """Make this unit's pictures from now on; None: nobody's."""
        if unit != self._unit:
            self._unit = unit
            self._growth = self._begun(unit) if unit else None

    @property
    def _on_demand(self) -> Stepwise:
        if self._made is None:
            self._made = self._make()
        return self._made

    def _begun(self, unit: Unit) -> Growth:
        try:
            return self._on_demand.growth(unit)
        except ToolboxError as error:  # a preset of the model.yaml is wrong
            return Growth(unit, None, str(error), done=True)

    def after_frame(self) -> None:
        """Note that a frame has been answered; make a step once the live view has had its share since the last one."""
        rest = self._step_seconds * (1 - SHARE) / SHARE
        if self.is_wanted and self._clock() - self._ended >= rest:
            self.step()

    def step(self, show: bool = False) -> bool:
        """Make one step; return True where it is time to show how far the pictures are (each time, with `show`)."""
        assert self._unit is not None
        began = self._clock()
        self._on_demand.advance(self._unit)
        now = self._clock()
        self._step_seconds, self._ended = now - began, now
        due = show or now - self._shown_at > SECONDS_BETWEEN_VIEWS or self._on_demand.is_done(self._unit)
        if due:
            self._growth, self._shown_at = self._on_demand.growth(self._unit), now
        return due


def open_grower(network: Network, *, folder: str | None, maxes: str | None = None) -> Grower:
    """Return what makes pictures of the network's units into the window's store; `maxes`: a scan's result."""

    def make() -> Stepwise:
        from deepvis_toolbox.pipeline.on_demand import OnDemand  # not before somebody asks for pictures

        store = UnitImageStore.for_network(network.description, folder)
        return OnDemand(network, store, maxes=None if maxes is None else user_path(maxes))

    return Grower(make)


def open_sketcher(network: Network) -> Grower:
    """Return what sketches units of a network in training; nothing is written."""

    def make() -> Stepwise:
        from deepvis_toolbox.pipeline.sketches import Sketches  # not before somebody asks

        return Sketches(network)

    return Grower(make)
