"""A network whose weights change while it is looked at: opened anew for each checkpoint, and what it was before."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deepvis_toolbox.errors import ToolboxError, sentence_of
from deepvis_toolbox.live.work.checkpoints import POLL_SECONDS, Checkpoint, newest_checkpoint
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.live.work.training_progress import FormerTile, TrainingProgress
from deepvis_toolbox.measure import LayerMaps
from deepvis_toolbox.words.unit import Unit

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network

LONGEST = 24
"""So many checkpoints are remembered."""


class Training:
    """Belongs to the worker's thread."""

    def __init__(self, where: Path, load: Callable[[Checkpoint], Network]) -> None:
        """Take `where`: the file, or the folder whose newest file counts; `load` opens the network with its weights."""
        self.where = where
        self._load = load
        self._opened: Checkpoint | None = None
        self._count = 0
        self._name = self._note = ""
        self._unit: Unit | None = None
        self._film: list[FormerTile] = []

    def first(self) -> Network:
        """Return the network with the first weights that there are; waits for them as long as it takes.

        Raises `ToolboxError` where they do not fit.
        """
        last = None
        while (found := newest_checkpoint(self.where)) is None or found != last:
            last = found
            time.sleep(POLL_SECONDS)
        return self._load_and_note(found)

    def open(self, checkpoint: Checkpoint) -> Network | None:
        """Return the network with the checkpoint's weights; None where it is open already, or they do not fit or the
        file is damaged, which `progress` then says: the next one may be better."""
        if checkpoint == self._opened:
            return None
        try:
            return self._load_and_note(checkpoint)
        except ToolboxError as error:
            self._note = sentence_of(error)
            return None

    def _load_and_note(self, checkpoint: Checkpoint) -> Network:
        network = self._load(checkpoint)
        self._opened, self._count, self._name, self._note = checkpoint, self._count + 1, checkpoint.name, ""
        return network

    def progress(self, snapshot: Snapshot, unit: Unit | None) -> TrainingProgress:
        """Return what to show beside a snapshot's answers; `unit`: the selected one."""
        if unit != self._unit:
            self._unit, self._film = unit, []
        if unit and (maps := snapshot.answer(LayerMaps(unit.layer))) and unit.channel < len(maps.maps):
            tile = FormerTile(f"{self._count} · {self._name}", np.atleast_1d(maps.maps[unit.channel]))
            if self._film and self._film[-1].checkpoint == tile.checkpoint:
                self._film[-1] = tile
            else:
                self._film = [*self._film, tile][-LONGEST:]
        return TrainingProgress(self._name, self._count, self._note, tuple(self._film))
