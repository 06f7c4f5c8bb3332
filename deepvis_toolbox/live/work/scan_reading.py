"""Reads a scan's result for the window, in a thread of its own: no picture waits for it."""

from __future__ import annotations

import logging
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from deepvis_toolbox.errors import ToolboxError, sentence_of, shown_path
from deepvis_toolbox.live.scanned import FiresWith, ScannedSpread, ScannedUnits, UnitName, UnitNames
from deepvis_toolbox.words.unit import Unit
from deepvis_toolbox.words.unit_maxima import UnitMaxima

if TYPE_CHECKING:
    from deepvis_toolbox.live.state import State
    from deepvis_toolbox.network.interface import Network
    from deepvis_toolbox.scan.top_images import TopImages

NEIGHBOURS = 5
"""How many units that fire with another one are listed."""


class OpenScan(Protocol):
    """Begins to read a scan."""

    def __call__(self, *, class_names: tuple[str, ...]) -> ScanReading:
        """`class_names`: the network's."""


_log = logging.getLogger(__name__)


class ScanReading:
    """A scan that is being read. When it is, `settle` finds out whether it is one of the network, in the network's own
    thread; `follow` tells the window."""

    def __init__(self, folder: Path, labels: Path | None, is_asked_for: bool, class_names: tuple[str, ...]) -> None:
        """`labels`: a file with the names of the scan's classes; None: they are the network's, `class_names`.
        `is_asked_for`: a scan that cannot be used is an error, not just a note."""
        self._folder, self._labels, self._is_asked_for = folder, labels, is_asked_for
        self._read: tuple[TopImages, ScannedUnits] | None = None
        self._problem: ToolboxError | None = None
        self._is_settled = self._is_told = False
        self._thread = threading.Thread(target=self._work, args=(class_names,), name="scan reading", daemon=True)
        self._thread.start()

    @property
    def wants_settling(self) -> bool:
        """Whether it is read, and `settle` has not been called since."""
        return not self._is_settled and not self._thread.is_alive()

    @property
    def is_being_read(self) -> bool:
        """Whether it is still being read."""
        return self._thread.is_alive()

    def settle(self, network: Network) -> None:
        """Find out whether the scan is one of the network, which is run for that; waits until it is read."""
        from deepvis_toolbox.scan.scanned_network import check_scanned_network

        self._thread.join()
        try:
            if self._read:
                check_scanned_network(self._read[0], network)
        except ToolboxError as error:
            self._problem = ToolboxError(f"{shown_path(self._folder)}: {error}")
        self._is_settled = True

    def follow(self, state: State) -> bool:
        """Put the scan into the state once it is settled, or why it cannot be used; True if new. `ToolboxError` where
        one that was asked for cannot be used."""
        if self._is_told or not self._is_settled:
            state.facts.scan_note = state.facts.scan_note if self._is_told else "the scan is being read"
            return False
        self._is_told = True
        if self._problem and self._is_asked_for:
            raise self._problem
        state.facts.scan = self._read[1] if self._read and not self._problem else None
        state.facts.scan_note = str(self._problem or "")
        if state.facts.scan and state.facts.scan.names.why_none and self._is_asked_for:
            state.facts.message = f"no unit has a name: {state.facts.scan.names.why_none}"
        if self._problem:
            state.facts.message = str(self._problem)
            _log.warning("%s", self._problem)
        return True

    def _work(self, class_names: tuple[str, ...]) -> None:
        from deepvis_toolbox.opening.described import read_labels
        from deepvis_toolbox.scan.top_images import TopImages

        try:
            names = read_labels(self._labels) if self._labels else class_names
            top = TopImages.load(self._folder)
            highest = int(top.labels.max(initial=-1))
            if self._labels and highest >= len(names):
                raise ToolboxError(
                    f"the scan has a class {highest}; {shown_path(self._labels)} names {len(names)}, counted from 0"
                )
            self._read = top, scanned_units(top, names)
        except ToolboxError as error:
            self._problem = error
        except Exception as error:
            _log.exception("%s", self._folder)
            self._problem = ToolboxError(f"{shown_path(self._folder)} cannot be read: {sentence_of(error)}")


def scanned_units(top: TopImages, class_names: tuple[str, ...]) -> ScannedUnits:
    """Return what the window shows of a scan. `class_names`: by the label. Where the scan has classes beyond them they
    are other classes' names, and all are called by their numbers."""
    maxima = {name: UnitMaxima(top.largest(name)) for name in top.layers}
    return ScannedUnits(top.pictures_read, maxima, _names(top, class_names), partial(_spread, top), partial(_with, top))


def _names(top: TopImages, class_names: tuple[str, ...]) -> UnitNames:
    from deepvis_toolbox.scan.unit_classes import unit_classes_of, why_no_classes

    if why_none := why_no_classes(top):
        return UnitNames(why_none=why_none)

    has_names = int(top.labels.max()) < len(class_names)

    def name(label: int) -> str:
        return class_names[label] if has_names else f"class {label}"

    by_unit = {
        Unit(layer, unit): tuple(UnitName(name(one.label), one.score, one.expected_auprc) for one in classes)
        for layer, units in unit_classes_of(top, top.layers).items()
        for unit, classes in enumerate(units)
        if classes
    }
    return UnitNames(by_unit, frozenset(top.layers))


def _spread(top: TopImages, unit: Unit) -> ScannedSpread:
    maxima, channel = top.statistics(unit.layer), unit.channel
    of_unit = of_layer = None
    if top.manifest["identity"]["statistics"]:
        places = top.place_statistics(unit.layer).histogram
        of_unit, of_layer = places[channel], places.sum(0)
    return ScannedSpread(
        top.pictures_read,
        float(maxima.mean[channel]),
        float(maxima.deviation[channel]),
        float(top.largest(unit.layer)[channel]),
        1 - float(maxima.silent_share[channel]),
        maxima.edges,
        of_unit,
        of_layer,
        float(np.nanmax(top.largest(unit.layer), initial=0.0)),
    )


def _with(top: TopImages, unit: Unit) -> FiresWith:
    try:
        found = top.correlations_of(unit.layer, unit.channel)
    except ToolboxError as error:
        return FiresWith(why_none=str(error))
    found[unit.channel] = np.nan
    order = [int(other) for other in np.argsort(-np.nan_to_num(found, nan=-2), kind="stable") if found[other] > 0]
    nearest = order[:NEIGHBOURS]
    why_none = "" if nearest else "no unit fires with this one"
    return FiresWith(
        tuple(Unit(unit.layer, other) for other in nearest), tuple(float(found[other]) for other in nearest), why_none
    )
