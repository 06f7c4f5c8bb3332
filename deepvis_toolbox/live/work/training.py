"""A network whose weights change while it is looked at: opened anew for each checkpoint, and what it was before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deepvis_toolbox.errors import ToolboxError, sentence_of
from deepvis_toolbox.live.work.checkpoints import Checkpoint, CheckpointWatch, FileWatch
from deepvis_toolbox.live.work.served_checkpoints import ServedCheckpoints
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.live.work.training_progress import FormerTile, TrainingProgress
from deepvis_toolbox.mailbox import Mailbox
from deepvis_toolbox.measure import LayerMaps
from deepvis_toolbox.unit_images.growth import Growth
from deepvis_toolbox.words.unit import Unit

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network

LONGEST = 24
"""So many checkpoints are remembered."""


class Training:
    """Belongs to the worker's thread."""

    def __init__(self, where: Path | int, load: Callable[[Checkpoint], Network]) -> None:
        """Take `where`: the file, the folder whose newest file counts, or the port where a script serves its weights;
        `load` opens the network with a checkpoint's weights."""
        self.where = where
        self._load = load
        self._watch: CheckpointWatch | None = None
        self._opened: Checkpoint | None = None
        self._count = 0
        self._name = self._note = ""
        self._unit: Unit | None = None
        self._film: list[FormerTile] = []

    def anew(self) -> Training:
        """Return the same, before anything was opened."""
        return Training(self.where, self._load)

    def first(self) -> Network:
        """Return the network with the first weights that there are, and still are when they are read; waits for them
        as long as it takes.

        Raises `ToolboxError` where they do not fit.
        """
        news: Mailbox[Checkpoint] = Mailbox()
        watch = self._made(news.put)
        watch.start()
        try:
            while True:
                found = news.get()
                assert found is not None
                try:
                    return self._load_and_note(found)
                except ToolboxError:
                    if found.path.exists():
                        raise
                watch.opened()
        finally:
            watch.close()

    def watch(self, tell: Callable[[Checkpoint], object]) -> CheckpointWatch:
        """Return what tells, in a thread of its own once it is started, of each new checkpoint."""
        self._watch = self._made(tell)
        return self._watch

    def _made(self, tell: Callable[[Checkpoint], object]) -> CheckpointWatch:
        return ServedCheckpoints(self.where, tell) if isinstance(self.where, int) else FileWatch(self.where, tell)

    def open(self, checkpoint: Checkpoint) -> Network | None:
        """Return the network with the checkpoint's weights; None where it is open already, or they do not fit or the
        file is damaged, which `progress` then says: the next one may be better."""
        try:
            return None if checkpoint == self._opened else self._load_and_note(checkpoint)
        except ToolboxError as error:
            self._note = sentence_of(error)
            return None
        finally:
            if self._watch:
                self._watch.opened()

    def _load_and_note(self, checkpoint: Checkpoint) -> Network:
        from deepvis_toolbox.opening.weights_file import time_in_training

        network, time = self._load(checkpoint), time_in_training(checkpoint.path)
        self._name = f"{checkpoint.name} · {time}" if time else checkpoint.name
        self._opened, self._count, self._note = checkpoint, self._count + 1, ""
        return network

    def progress(self, snapshot: Snapshot, unit: Unit | None, sketch: Growth | None = None) -> TrainingProgress:
        """Return what to show beside a snapshot's answers; `unit`: the selected one, `sketch`: how far its preferred
        image is that these weights make."""
        if unit != self._unit:
            self._unit, self._film = unit, []
        if unit and (maps := snapshot.answer(LayerMaps(unit.layer))) and unit.channel < len(maps.maps):
            grown = sketch.montage if sketch and sketch.unit == unit else None
            tile = FormerTile(f"{self._count} · {self._name}", np.atleast_1d(maps.maps[unit.channel]), grown)
            if self._film and self._film[-1].checkpoint == tile.checkpoint:
                self._film[-1] = tile
            else:
                self._film = [*self._film, tile][-LONGEST:]
        return TrainingProgress(self._name, self._count, self._note, tuple(self._film))
