"""One window that is seen in browsers, with its own view, sources and thread; the network is that of all."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.layout import make_request
from deepvis_toolbox.live.main_loop import LoopOptions, MainLoop
from deepvis_toolbox.live.painter import Painter
from deepvis_toolbox.live.pictures.picture_shelf import OpenShelf
from deepvis_toolbox.live.start import StartOptions, start_state
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.live_work import LiveWork
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.mailbox import Mailbox
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.source import Source
from deepvis_toolbox.web.browser_window import BrowserWindow
from deepvis_toolbox.web.downloads import Downloads
from deepvis_toolbox.web.link import NO_NUMBER
from deepvis_toolbox.web.one_network import OneNetwork, ViewerWorker
from deepvis_toolbox.web.page_source import CameraPicture, PageSource, Upload
from deepvis_toolbox.web.server_sources import Lendable
from deepvis_toolbox.web.told import told, told_slowly

_log = logging.getLogger(__name__)

SECONDS_BETWEEN_TEXTS = 0.5
"""Of what changes with every frame: nobody reads faster."""
QUIT = "you have left with the key q; reload the page to come back"
FAILED = "this window has failed; the server's log says why. Reload the page to begin again"


@dataclass(frozen=True)
class Stage:
    """What all windows of a server are made of."""

    options: StartOptions
    network: OneNetwork | None
    """None where a training is watched: the only window has its own, which changes."""
    sources: Sequence[Lendable]

    @property
    def source_options(self) -> SourceOptions:
        """How inputs are opened."""
        return SourceOptions(**dict(self.options.settings.sources), realtime=True)

    def work(self, sources: Sequence[Source], snapshots: Mailbox[Snapshot]) -> LiveWork:
        """Return what reads and computes for one window, not started yet."""
        options = self.options
        if self.network is None:
            training = options.training.anew() if options.training else None
            openers = (options.open_grower, training, options.open_scan, options.open_counterpart)
            return LiveWork(options.load, sources, options.start_unit, *openers, snapshots=snapshots)
        return LiveWork(
            self.network.network,
            sources,
            options.start_unit,
            open_scan=options.open_scan,
            snapshots=snapshots,
            make_worker=partial(ViewerWorker, self.network),
        )

    def shelf_opener(self) -> OpenShelf | None:
        """Return what opens the unit images for one window; all windows together take the memory that is allowed."""
        settings, opener = self.options.settings, self.options.open_shelf
        limit = (settings.unit_images.cache_megabytes << 20) // settings.web.viewers
        return partial(opener, byte_limit=limit) if isinstance(opener, partial) else opener


class Viewing(threading.Thread):
    """Draws until its window is closed."""

    def __init__(self, stage: Stage, on_end: Callable[[Viewing], None] = lambda _: None) -> None:
        """`on_end` is called from this thread when it is over."""
        super().__init__(name="viewer", daemon=True)
        self._stage, self._on_end = stage, on_end
        self._snapshots: Mailbox[Snapshot] = Mailbox()
        settings = stage.options.settings.web
        self.window = BrowserWindow(settings.jpeg_quality, self._snapshots.wake)
        self.page_source = PageSource(stage.source_options, self._tell_camera)
        self.state: State | None = None
        """Once it is there, as is `painter`."""
        self.painter: Painter | None = None
        self._work: LiveWork | None = None
        self._place: int | None = None
        """The source that was chosen last; it counts too where that was before there was a reader."""
        self._told_at = 0.0
        self._orders: deque[Callable[[State], None]] = deque()
        self._wanted: deque[Future[NDArray[np.uint8]]] = deque()

    def run(self) -> None:
        """Show the window until it is closed; whatever goes wrong is told to its pages, in one sentence."""
        why = "the server has ended"
        try:
            why = self._show() or why
        except ToolboxError as error:
            why = str(error)
        except Exception:
            _log.exception("a viewer's window has failed")
            why = FAILED
        finally:
            self._on_end(self)
            while self._wanted:
                self._wanted.popleft().set_exception(ToolboxError(why))
            for link in self.window.links():
                link.end(why)

    def choose_source(self, place: int) -> None:
        """Go on with one of the sources, counted from 0; the last one is the page."""
        if place <= len(self._stage.sources):
            self._place = place
            if self._work:
                self._work.reader.choose_source(place)

    def give(self, sent: CameraPicture | Upload) -> None:
        """Take what a page has sent, and show it."""
        self.page_source.give(sent)
        self.choose_source(len(self._stage.sources))
        if self._work:
            self._work.reader.next_picture()

    def order(self, action: Callable[[State], None]) -> None:
        """Let this thread do an action of a key, once the network is there."""
        self._orders.append(action)
        self._snapshots.wake()

    def picture(self) -> Future[NDArray[np.uint8]]:
        """Return the window, RGB uint8 H×W×3, as it is once it shows the answer to what it asks now."""
        wanted: Future[NDArray[np.uint8]] = Future()
        self._wanted.append(wanted)
        self._snapshots.wake()
        return wanted

    def _tell_camera(self, number: int) -> None:
        for link in self.window.controls():
            link.tell("camera", number=number)

    def _deliver(self, name: str, data: bytes) -> None:
        for link in self.window.controls():
            link.deliver(name, data)

    def _show(self) -> str:
        options, stage = self._stage.options, self._stage
        with ExitStack() as stack:
            sources: list[Source] = []
            for each in stage.sources:
                sources.append(each.lend())
            sources.append(self.page_source)
            work = stage.work(sources, self._snapshots)
            stack.callback(work.close)
            work.start()
            self._work = work
            if self._place is not None:
                work.reader.choose_source(self._place)
            shooter = Downloads(self._deliver)
            stack.callback(shooter.close)
            state = self.state = start_state(options, len(sources))
            state.facts.makes_pictures = False
            limits = LoopOptions(options.settings.window.model_copy(update={"max_fps": options.settings.web.max_fps}))
            loop = MainLoop(work, self.window, options.painter(), state, shooter, limits, stage.shelf_opener())
            stack.callback(loop.close)
            self.painter = loop.painter
            self.window.source_number = lambda: loop.snapshot.frame.number if loop.snapshot else NO_NUMBER
            while self.window.is_open and not state.orders.quit:
                self._step(loop)
            return QUIT if state.orders.quit else ""

    def _hand_out_pictures(self, loop: MainLoop) -> None:
        snapshot, state = loop.snapshot, loop.state
        if self._wanted and not self._orders and snapshot and snapshot.request == make_request(state) and state.layer:
            pixels = loop.painter.paint(state, snapshot, self.window.size).copy()
            while self._wanted:
                self._wanted.popleft().set_result(pixels)

    def _step(self, loop: MainLoop) -> None:
        painter, window = loop.painter, self.window
        painter.scale, painter.look = window.scale, painter.look.stacked(window.is_stacked)
        while self._orders and loop.state.layer:
            self._orders.popleft()(loop.state)
        loop.step()
        self._hand_out_pictures(loop)
        is_due = time.monotonic() - self._told_at >= SECONDS_BETWEEN_TEXTS
        texts = told(loop.state, loop.snapshot)
        slow = told_slowly(loop.state, loop.snapshot) if is_due else {}
        self._told_at = time.monotonic() if is_due else self._told_at
        for link in window.links():
            link.tell_newest("text", texts)
            if slow:
                link.tell_newest("status", slow)
