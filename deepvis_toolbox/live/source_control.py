"""Hands on to the source what the state asks of it, and tells the state what the source says."""

from __future__ import annotations

from typing import Protocol

from deepvis_toolbox.live.state import State
from deepvis_toolbox.sources.reader import FrameReader


class Switchable(Protocol):
    """What the source thread and the bare switch (headless) have in common."""

    def toggle_source(self) -> None: ...

    def next_picture(self) -> None: ...

    def previous_picture(self) -> None: ...

    def freeze(self, frozen: bool) -> None: ...


class SourceOrders:
    """Compares the state with what was ordered before, and orders the difference."""

    def __init__(self, source: Switchable) -> None:
        self._source = source
        self._frozen = False
        self._index = 0

    def follow(self, state: State) -> None:
        while self._index != state.source_index:
            self._index = (self._index + 1) % state.sources
            self._source.toggle_source()
        if state.camera_frozen != self._frozen:
            self._frozen = state.camera_frozen
            self._source.freeze(self._frozen)
        for _ in range(abs(state.picture_steps)):
            (self._source.next_picture if state.picture_steps > 0 else self._source.previous_picture)()
        state.picture_steps = 0


class SourceControl:
    """Between the state and the source thread."""

    def __init__(self, reader: FrameReader) -> None:
        self._reader = reader
        self._orders = SourceOrders(reader)
        self._error = ""

    def follow(self, state: State) -> bool:
        """Orders what the state asks for, shows the source's errors and notes; whether the state was changed."""
        self._orders.follow(state)
        status = self._reader.status
        changed = False
        if status.error != self._error:
            state.error, self._error, changed = status.error, status.error, True
        if status.note != state.source_note:
            state.source_note, changed = status.note, True
        return changed
