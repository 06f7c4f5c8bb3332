"""Hands on to the source what the state asks of it, and tells the state what the source says."""

from __future__ import annotations

from typing import Protocol

from deepvis_toolbox.live.state import State
from deepvis_toolbox.sources.reader import FrameReader


class Switchable(Protocol):
    """What the source thread and the bare switch (headless) have in common."""

    def toggle_source(self) -> None:
        """Go to the other input."""
        ...

    def next_picture(self) -> None:
        """Go to the next picture."""
        ...

    def previous_picture(self) -> None:
        """Go to the previous picture."""
        ...

    def freeze(self, frozen: bool) -> None:
        """Keep the last frame, or let the source run again."""
        ...


class SourceOrders:
    """Does what the state orders, and keeps the source frozen as long as the state says."""

    def __init__(self, source: Switchable) -> None:
        self._source = source
        self._frozen = False

    def follow(self, state: State) -> None:
        """Give the source the orders that the state holds."""
        for _ in range(state.orders.switch_source):
            self._source.toggle_source()
        state.orders.switch_source = 0
        if state.view.camera_frozen != self._frozen:
            self._frozen = state.view.camera_frozen
            self._source.freeze(self._frozen)
        for _ in range(abs(state.orders.picture_steps)):
            (self._source.next_picture if state.orders.picture_steps > 0 else self._source.previous_picture)()
        state.orders.picture_steps = 0


class SourceControl:
    """Between the state and the source thread."""

    def __init__(self, reader: FrameReader) -> None:
        self._reader = reader
        self._orders = SourceOrders(reader)
        self._error = ""

    def follow(self, state: State) -> bool:
        """Order what the state asks for, show the source's errors and notes; whether the state was changed."""
        self._orders.follow(state)
        status = self._reader.status
        changed = False
        if status.error != self._error:
            state.facts.error, self._error, changed = status.error, status.error, True
        if (status.note, status.gone) != (state.facts.source_note, state.facts.source_gone):
            state.facts.source_note, state.facts.source_gone, changed = status.note, status.gone, True
        return changed
