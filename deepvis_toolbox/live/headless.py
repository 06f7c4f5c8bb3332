"""The toolbox without a window: every frame in order, none dropped; the same call draws the same picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.layout import make_request
from deepvis_toolbox.live.painter import Painter
from deepvis_toolbox.live.pictures.picture_shelf import OpenShelf, PictureShelf, take_grown
from deepvis_toolbox.live.source_control import SourceOrders
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.counterpart import Counterpart
from deepvis_toolbox.live.work.grower import Grower, OpenGrower
from deepvis_toolbox.live.work.loaded_network import LoadedNetwork
from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.live.work.scan_reading import OpenScan
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.live.work.worker import with_growth
from deepvis_toolbox.sources.frame import SourceFrame
from deepvis_toolbox.sources.source import Source
from deepvis_toolbox.sources.switch import SourceSwitch

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network

READS_WITHOUT_FRAME = 30
"""So many reads in a row may bring nothing (each waits about a second) before the source counts as silent."""

FRAMES_A_SECOND = 25.0
"""What counts as time here, so that the same call draws the same picture on every machine."""


@dataclass
class HeadlessRun:
    """Source, network and drawing in lock-step."""

    network: Network
    sources: Sequence[Source]
    painter: Painter
    state: State
    size: tuple[int, int]
    """Width and height of the window that is not there."""
    on_window: Callable[[NDArray[np.uint8], Snapshot], None]
    """Called with each drawn window (RGB H×W×3, overwritten later) and its snapshot."""
    goto: str = ""
    open_shelf: OpenShelf | None = None
    """Opens the network's unit images."""
    open_grower: OpenGrower | None = None
    """Gives what makes pictures on demand: one step for each frame."""
    open_scan: OpenScan | None = None
    """Begins to read a scan; it is waited for."""
    counterpart: Counterpart | None = None
    """The network to compare with."""

    def run(self, frames: int | None, script: Sequence[str] = ()) -> int:
        """Process `frames` frames (None: all that there are), a key of `script` before each; return how many there
        were.

        Fewer than asked for where the source ends or a key quits. `ToolboxError` where the source brings nothing.
        """
        other = self.counterpart.facts(self.network) if self.counterpart else None
        loaded = LoadedNetwork.of(self.network, self.goto, self.open_scan, other)
        loaded.introduce(self.state)
        if loaded.scan:
            loaded.scan.settle(self.network)
            loaded.scan.follow(self.state)
        with self._shelf(loaded) as shelf:
            return self._run(frames, script, shelf)

    def _shelf(self, loaded: LoadedNetwork) -> PictureShelf | nullcontext[None]:
        shelf = self.open_shelf(loaded) if self.open_shelf else None
        self.state.facts.has_unit_images = shelf is not None
        return shelf or nullcontext()

    def _run(self, frames: int | None, script: Sequence[str], shelf: PictureShelf | None) -> int:
        from deepvis_toolbox.live.work.frame_processor import FrameProcessor

        number = 0

        def clock() -> float:
            return number / FRAMES_A_SECOND

        network, beside = self.network, self.counterpart
        processor = beside.processor(network, clock, at_once=True) if beside else FrameProcessor(network, clock)
        grower = self.open_grower(self.network) if self.open_grower else None
        self._arrange(None)  # keys that move by rows need to know the rows
        switch = SourceSwitch(self.sources)
        orders = SourceOrders(switch)
        self.painter.clock = clock
        while number != frames:
            if number < len(script):
                self.painter.keys.press(self.state, script[number])
            orders.follow(self.state)
            frame = None if self.state.orders.quit else _next_frame(switch)
            if frame is None:
                if not self.state.orders.quit and number == 0:
                    raise _no_frames(switch)
                break
            request = make_request(self.state)
            snapshot = processor.process(frame, request)
            if grower:
                snapshot = _grown(grower, request, snapshot)
            take_grown(self.state, snapshot, shelf)
            self._arrange(snapshot)
            if shelf:
                shelf.settle(self.state)
            self.on_window(self.painter.paint(self.state, snapshot, self.size), snapshot)
            number += 1
        return number

    def _arrange(self, snapshot: Snapshot | None) -> None:
        self.state.facts.take(self.painter.arrange(self.state, snapshot, self.size).facts)


def _grown(grower: Grower, request: Request, snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with one step more of the pictures that are made on demand."""
    grower.follow(request.growing)
    if grower.is_wanted:
        grower.step(show=True)
    return with_growth(snapshot, grower.growth)


def _next_frame(switch: SourceSwitch) -> SourceFrame | None:
    """Return the next frame; None where the source has ended."""
    for _ in range(READS_WITHOUT_FRAME):
        frame = switch.read()
        if frame is not None:
            return frame
        if switch.current.ended:
            return None
    raise _no_frames(switch)


def _no_frames(switch: SourceSwitch) -> ToolboxError:
    return ToolboxError(f"{switch.current.name} brings no frames; {switch.current.note or 'try another --input'}")
