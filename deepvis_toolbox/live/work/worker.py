"""The worker thread: loads the network, then turns the newest frame and request into snapshots."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from deepvis_toolbox.errors import ToolboxError, sentence_of
from deepvis_toolbox.kept_memory import KeptMemory
from deepvis_toolbox.live.work.counterpart import Counterpart, OpenCounterpart
from deepvis_toolbox.live.work.grower import OpenGrower, open_sketcher
from deepvis_toolbox.live.work.growers import Growers
from deepvis_toolbox.live.work.inbox import Inbox, Work
from deepvis_toolbox.live.work.loaded_network import LoadedNetwork
from deepvis_toolbox.live.work.lower_rate import LowerRate
from deepvis_toolbox.live.work.network_threads import NetworkThreads
from deepvis_toolbox.live.work.request import GrowingPictures
from deepvis_toolbox.live.work.scan_reading import OpenScan
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.live.work.training import Training
from deepvis_toolbox.mailbox import Mailbox
from deepvis_toolbox.rate_meter import RateMeter
from deepvis_toolbox.sources.frame import SourceFrame
from deepvis_toolbox.unit_images.growth import Growth

if TYPE_CHECKING:
    from deepvis_toolbox.live.work.frame_processor import FrameProcessor
    from deepvis_toolbox.network.interface import Network

_log = logging.getLogger(__name__)
T = TypeVar("T")


GAP = 0.25
"""Seconds: a source that brings nothing for so long stands still, whatever its rate was."""


class Worker(threading.Thread):
    """Runs until its inbox is closed. What goes wrong with a frame is told in the snapshot; the thread lives on."""

    def __init__(
        self,
        load: Callable[[], Network],
        inbox: Inbox,
        snapshots: Mailbox[Snapshot],
        goto: str = "",
        open_grower: OpenGrower | None = None,
        training: Training | None = None,
        open_scan: OpenScan | None = None,
        open_counterpart: OpenCounterpart | None = None,
    ) -> None:
        """`training` opens the weights that come into the inbox, in place of the network's first ones;
        `open_counterpart` the network that is compared with."""
        super().__init__(name="worker", daemon=True)
        self.loaded: LoadedNetwork | None = None
        """Set when the network is there, and again when it has new weights."""
        self.failure: Exception | None = None
        """Why the thread has ended, where it was not asked to: mostly, because loading failed."""
        self.threads = NetworkThreads(0, 0)
        """What computes it; another one once the network is there."""
        self._load = load
        self._goto = goto
        self._open_grower = open_grower
        self._training = training
        self._open_scan = open_scan
        self._open_counterpart = open_counterpart
        self._inbox = inbox
        self._snapshots = snapshots
        self._rate = RateMeter()
        self._kept_memory = KeptMemory()
        self._last_error = ""
        self._last: Snapshot | None = None
        self._frame: SourceFrame | None = None
        """The one that was answered last."""

    def run(self) -> None:
        try:
            network = self._load()
            with self._opened_beside(network) as counterpart:
                self._work(network, counterpart)
        except Exception as error:
            self.failure = error
            level = logging.DEBUG if isinstance(error, ToolboxError) else logging.ERROR
            _log.log(level, "%s", failure_sentence(self), exc_info=error)

    def _opened_beside(self, network: Network) -> Counterpart | nullcontext[None]:
        """Open the network to compare with, where one is named; without it there is nothing to show."""
        try:
            return self._open_counterpart(network) if self._open_counterpart else nullcontext()
        except BaseException:
            network.close()
            raise

    def _work(self, network: Network, counterpart: Counterpart | None) -> None:
        """Answer frames with the network, then with the one that new weights make of it, until the inbox is closed."""
        first: Work | None = None
        while True:
            with self._released_behind(network):
                processor = self._compute(partial(self._introduced, network, counterpart))
                growers = Growers(
                    self._open_grower(network) if self._open_grower else None,
                    open_sketcher(network) if self._training else None,
                )
                renewed = self._answer_with(processor, growers, first)
                with suppress(ToolboxError):  # the server is ending
                    self._compute(self.threads.use_all)  # who computes next in this process has all again
            if renewed is None:
                return
            self._goto = ""
            network, first = renewed

    def _introduced(self, network: Network, counterpart: Counterpart | None) -> FrameProcessor:
        """Tell the window what there is; return what answers its requests."""
        from deepvis_toolbox.live.work.frame_processor import FrameProcessor  # torch; not before the window is open

        self.threads = self._threads_for(network)
        clock, pace = time.monotonic, LowerRate()
        processor = (
            counterpart.processor(network, clock, lower_rate=pace)
            if counterpart
            else FrameProcessor(network, clock, lower_rate=pace)
        )
        other = counterpart.facts(network) if counterpart else None
        self.loaded = LoadedNetwork.of(network, self._goto, self._open_scan, other)
        return processor

    def _released_behind(self, network: Network) -> AbstractContextManager[object]:
        """Return a context whose end releases the network."""
        return network

    def _compute(self, step: Callable[[], T]) -> T:
        """Do a step that runs the network. A worker that shares its network with others waits for its turn here."""
        return step()

    def _threads_for(self, network: Network) -> NetworkThreads:
        """Return what says how many threads compute. Workers that share a network share these, too."""
        return NetworkThreads.of(network.device.type)

    def _process(self, processor: FrameProcessor, work: Work) -> Snapshot:
        is_still = work.frame.info.is_still or work.frame is self._frame
        self._frame = work.frame
        return self.threads.run(work.request, is_still, partial(processor.process, work.frame, work.request))

    def _answer_with(
        self, processor: FrameProcessor, growers: Growers, first: Work | None
    ) -> tuple[Network, Work] | None:
        """Answer frames until other weights are there: return their network, and what it is to answer first; None once
        the inbox is closed."""
        work = first or self._next_work(processor, growers, None)
        while work:
            if work.checkpoint and self._training and work is not first:
                network = self._training.open(work.checkpoint)
                if network is not None:
                    return network, work
            self._last = self._answer(processor, work)
            growers.follow(work.request)
            self._publish(growers)
            growers.after_frame()
            self._kept_memory.look()
            work = self._next_work(processor, growers, work)
        return None

    def _next_work(self, processor: FrameProcessor, growers: Growers, done: Work | None) -> Work | None:
        """Wait for work; meanwhile, where nothing moves, answers to what was `done` last that get better with time do,
        and pictures that are wanted grow."""
        if done:
            self._settle_scan(processor)
        while done and processor.is_unfinished and not self._inbox.has_work_within(GAP if self._inbox.is_live else 0):
            self._last = self._answer(processor, done)
            self._publish(growers)
        while growers.is_wanted and not self._inbox.has_work_within(GAP if self._inbox.is_live else 0):
            if self._compute(partial(self._grow, growers)):
                self._publish(growers)
        return self._inbox.next_work()

    def _grow(self, growers: Growers) -> bool:
        self.threads.use_all()
        return growers.step()

    def _settle_scan(self, processor: FrameProcessor) -> None:
        """Once a scan is read, find out whether it is one of this network; where no work is there, wait for it."""
        scan = self.loaded.scan if self.loaded else None
        while scan and scan.is_being_read and not self._inbox.has_work_within(GAP):
            pass
        if scan and scan.wants_settling:
            self._compute(partial(scan.settle, processor.network))

    def _publish(self, growers: Growers) -> None:
        assert self._last is not None
        snapshot = with_growth(self._last, growers.growth)
        question = snapshot.request.training
        if question and self._training:
            progress = self._training.progress(snapshot, question.unit, growers.sketch)
            snapshot = replace(snapshot, answers={**snapshot.answers, question: progress})
        self._snapshots.put(snapshot)

    def _answer(self, processor: FrameProcessor, work: Work) -> Snapshot:
        try:
            snapshot = self._compute(partial(self._process, processor, work))
            self._last_error = ""
        except Exception as error:
            snapshot = self._failed(work, error)
        self._rate.tick()
        return replace(
            snapshot,
            network_rate=self._rate.rate,
            source_rate=work.source_rate,
            dropped_frames=self._inbox.dropped,
        )

    def _failed(self, work: Work, error: Exception) -> Snapshot:
        message = sentence_of(error)
        if message != self._last_error:  # once, not for every frame
            _log.error("%s: %s", work.frame.info.source, message, exc_info=error)
            self._last_error = message
        return failed_snapshot(work, message)


def failed_snapshot(work: Work, message: str) -> Snapshot:
    """Return a snapshot that shows the picture and says what went wrong with it."""
    return Snapshot(work.request, work.frame.info, np.ascontiguousarray(work.frame.image), error=message)


def with_growth(snapshot: Snapshot, growth: Growth | None) -> Snapshot:
    """Return the snapshot with how far the pictures are that are made on demand, where the request asks for them."""
    unit = snapshot.request.growing
    if unit is None or growth is None:
        return snapshot
    return replace(snapshot, answers={**snapshot.answers, GrowingPictures(unit): growth})


def failure_sentence(worker: Worker) -> str:
    """Return why the thread has ended; empty while it lives, and where it was asked to end."""
    if worker.failure is None:
        return ""
    what = "the network could not be loaded" if worker.loaded is None else "the network has stopped"
    return f"{what}: {sentence_of(worker.failure)}"
