"""The source thread, the worker thread and the mailboxes between them and the window."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from deepvis_toolbox.live.work.counterpart import OpenCounterpart
from deepvis_toolbox.live.work.grower import OpenGrower
from deepvis_toolbox.live.work.inbox import Inbox
from deepvis_toolbox.live.work.scan_reading import OpenScan
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.live.work.training import Training
from deepvis_toolbox.live.work.worker import Worker
from deepvis_toolbox.mailbox import Mailbox
from deepvis_toolbox.sources.reader import FrameReader
from deepvis_toolbox.sources.source import Source

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network


class LiveWork:
    """source thread ──frame──▶ inbox ──▶ worker thread ──snapshot──▶ window; the window's request lies in the inbox."""

    def __init__(
        self,
        load: Callable[[], Network],
        sources: Sequence[Source],
        goto: str = "",
        open_grower: OpenGrower | None = None,
        training: Training | None = None,
        open_scan: OpenScan | None = None,
        open_counterpart: OpenCounterpart | None = None,
        snapshots: Mailbox[Snapshot] | None = None,
        make_worker: Callable[..., Worker] = Worker,
    ) -> None:
        """`load` is called in the worker thread; `goto` is the address of the unit to start at, or empty.

        `open_grower` gives what makes pictures on demand. `training`: opens the network's weights as they change, the
        first ones instead of `load`. `open_scan` begins to read what a scan says of the units. `open_counterpart` opens
        the network to compare with. `snapshots`: where answers go, None: a new one. `make_worker` is called as `Worker`
        is.
        """
        self.inbox = Inbox(paced=True)
        self.snapshots: Mailbox[Snapshot] = Mailbox() if snapshots is None else snapshots
        load = training.first if training else load
        openers = (open_grower, training, open_scan, open_counterpart)
        self.worker = make_worker(load, self.inbox, self.snapshots, goto, *openers)
        self._watch = training.watch(self.inbox.renew) if training else None
        self.reader = FrameReader(sources, self.inbox)

    def start(self) -> None:
        """Start the threads."""
        self.worker.start()
        self.reader.start()
        if self._watch:
            self._watch.start()

    def close(self, timeout: float = 1.5) -> bool:
        """End both threads; False where one is still busy after `timeout` seconds (loading, a very slow network)."""
        deadline = time.monotonic() + timeout
        if self._watch:
            self._watch.close()
        self.inbox.close()
        self.snapshots.close()
        source_ended = self.reader.close(timeout)
        self.worker.join(max(0.0, deadline - time.monotonic()))
        return source_ended and not self.worker.is_alive()
