"""The main thread: keys and clicks change the state, the state makes the request, snapshots are drawn."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.layout import make_request
from deepvis_toolbox.live.mouse import Mouse
from deepvis_toolbox.live.painter import Painter
from deepvis_toolbox.live.pictures.picture_shelf import OpenShelf, PictureShelf, take_grown
from deepvis_toolbox.live.pictures.shooter import Shooter
from deepvis_toolbox.live.pictures.window_film import WindowFilm
from deepvis_toolbox.live.same_answer import SameAnswer
from deepvis_toolbox.live.saturated_layer import SaturatedLayer
from deepvis_toolbox.live.source_control import SourceControl
from deepvis_toolbox.live.startup import StartupClock
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.unlike_training import UnlikeTraining
from deepvis_toolbox.live.window.drawing_pace import DrawingPace
from deepvis_toolbox.live.window.interface import WindowInterface
from deepvis_toolbox.live.window.key_codes import HELD, NO_KEY, RELEASED
from deepvis_toolbox.live.work.live_work import LiveWork
from deepvis_toolbox.live.work.loaded_network import LoadedNetwork
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.live.work.worker import failure_sentence
from deepvis_toolbox.rate_meter import RateMeter
from deepvis_toolbox.settings.sections import WindowSettings

KEYS_AT_ONCE = 16
"""All keys that wait are taken before the window is drawn: a held key never piles up."""
MESSAGE_SECONDS = 5.0
OUTDATED = 0.15
"""Seconds: an answer that has waited longer for a slow window is not drawn where a newer one can be had."""


@dataclass
class LoopOptions:
    """What the command line says about the window."""

    window: WindowSettings = field(default_factory=WindowSettings)
    frames: int | None = None
    """Quit after so many snapshots."""
    script: Sequence[str] = ()
    """Keys to press, one for each snapshot."""
    recording: WindowFilm | None = None


@dataclass
class MainLoop:
    """Ties the window to the other threads. `step` never waits for them."""

    work: LiveWork
    window: WindowInterface
    painter: Painter
    state: State
    shooter: Shooter
    options: LoopOptions = field(default_factory=LoopOptions)
    open_shelf: OpenShelf | None = None
    """Opens the loaded network's unit images."""
    clock: StartupClock = field(default_factory=StartupClock)

    snapshot: Snapshot | None = None
    """The newest, drawn at the next opportunity."""
    drawn: int = 0
    """How many windows have been drawn."""

    def __post_init__(self) -> None:
        self._script = deque(self.options.script)
        self._source_control = SourceControl(self.work.reader)
        self._shelf: PictureShelf | None = None
        self._met: LoadedNetwork | None = None
        self._mouse = Mouse(self.painter)
        self._rate = RateMeter()
        self.snapshots_seen = 0
        self._changed = True  # something is to be drawn
        self._urgent = True  # and at once: a person is waiting for it
        self._pace = DrawingPace(self.options.window.max_fps)
        self._message_until = 0.0
        self._same_answer = SameAnswer()
        self._saturated = SaturatedLayer()
        self._unlike_training = UnlikeTraining()
        self._size = (0, 0)
        self._taken_at = math.inf
        """When the snapshot was taken, while it has not been drawn."""
        self._awaits_newer = False

    def run(self) -> None:
        """Run until somebody quits or closes the window. Raises `ToolboxError` where the network cannot be loaded."""
        try:
            while not self.state.orders.quit and self.window.is_open:
                self.step()
        finally:
            self.close()

    def close(self) -> None:
        """Give back what reads unit images."""
        if self._shelf:
            self._shelf.close()

    def step(self) -> None:
        """Do one round: what was pressed, what has come, what is to be drawn."""
        self._take_keys()
        self._take_clicks()
        self._meet_network()
        self.state.facts.noticing = self._saturated.questions(self.state) | self._unlike_training.questions(self.state)
        self.work.inbox.ask(make_request(self.state))
        self._take_snapshot()
        self._changed |= self._source_control.follow(self.state)
        if self._shelf:
            self._changed |= self._shelf.follow(self.state)
        if self._met and self._met.scan and self._met.scan.follow(self.state):
            self._touched()
        self._follow_messages()
        self._changed |= self.painter.wants_drawing
        if self._changed and self.window.is_ready and (self._urgent or not self._pace.seconds_left):
            if self._is_outdated:
                self._await_newer()
            else:
                self._draw()

    @property
    def is_dirty(self) -> bool:
        """Whether the window does not show yet what it should."""
        return self._changed

    def _take_keys(self) -> None:
        for _ in range(KEYS_AT_ONCE):
            code, key = self.window.wait_key_code(1)
            self._painted()
            if code in NO_KEY:
                return
            self._take(code, key)

    def _take(self, code: int, key: str) -> None:
        """Press a key; one that is held down does so again, or waits until it is let go."""
        keys = self.painter.keys
        if code & RELEASED:
            if keys.let_go(self.state, key):
                self._touched()
        elif not (code & HELD and keys.waits(key)):
            self._press(key)

    def _painted(self) -> None:
        """Note that the window system has had its turn: what was drawn is on the screen, and the next frame may be
        computed."""
        if self._pace.is_drawing:
            self._pace.painted()
            self.work.inbox.window_is_ready()

    def _seconds_to_wait(self) -> float:
        """Return how long a snapshot may be waited for before the window system has its turn again."""
        if self._pace.is_drawing:
            return 0.0  # what was drawn last is not on the screen yet
        idle = self.window.idle_seconds
        left = 0.0 if self._urgent else self._pace.seconds_left
        return min(idle, left) if self._changed and self.window.is_ready else idle

    def _press(self, key: str) -> None:
        if key == "escape":
            self._mouse.let_go()
        self.state.facts.hovered = None
        if not self.painter.keys.press(self.state, key):
            if not key:  # a key without a name here
                return
            self.state.facts.message = f'the key "{key}" does nothing; h lists those that do'
        self._touched()

    def _touched(self) -> None:
        self._changed = self._urgent = True
        self._message_until = time.monotonic() + MESSAGE_SECONDS

    def _take_clicks(self) -> None:
        for event in self.window.mouse_events():
            if event.kind == "move":  # drawn at the usual pace
                self._changed |= self._mouse.move(self.state, event)
            else:
                self._mouse.do(self.state, event)
                self._touched()
        if self.window.size != self._size:
            self._changed = self._urgent = True

    def _meet_network(self) -> None:
        worker = self.work.worker
        if isinstance(worker.failure, ToolboxError):
            raise worker.failure
        if worker.failure is not None and not self.state.facts.error:
            self.state.facts.error = failure_sentence(worker)
            self.state.facts.loading, self._changed = "no network: see the error", True
        elif worker.loaded is not None and worker.loaded is not self._met:
            is_first, self._met = self._met is None, worker.loaded
            if not is_first:
                self._meet_again(worker.loaded)
                return
            worker.loaded.introduce(self.state)
            self.clock.mark("network")
            self.state.facts.message = "press h for the keys and what the mouse does"
            self._touched()
            self._changed = True
            self._shelf = self.open_shelf(worker.loaded) if self.open_shelf else None
            self.state.facts.has_unit_images = self._shelf is not None

    def _meet_again(self, loaded: LoadedNetwork) -> None:
        """Go on with the network's new weights: the selection stays, the store may hold other pictures of them."""
        loaded.introduce_again(self.state)
        if self._shelf:
            self._shelf.close()
        self._shelf = self.open_shelf(loaded) if self.open_shelf else None
        self._changed = True

    def _take_snapshot(self) -> None:
        snapshot = self.work.snapshots.get(timeout=self._seconds_to_wait())
        if snapshot is None:
            return
        self.snapshot, self._changed = snapshot, True
        self._taken_at = time.monotonic()
        if self._awaits_newer:
            self._awaits_newer = False
            self._pace.go_on()
        if take_grown(self.state, snapshot, self._shelf):
            self._touched()
        of_scale = [each.follow(self.state, snapshot) for each in (self._saturated, self._unlike_training)]
        notices = (self._same_answer.follow(self.state, snapshot), of_scale[0] or of_scale[1])
        if told := "; ".join(filter(None, notices)):
            self.state.facts.message = told
            self._touched()
        self.snapshots_seen += 1
        if self._script:
            key = self._script.popleft()
            if key:
                self._press(key)
        elif self.options.frames is not None and self.snapshots_seen >= self.options.frames:
            self._urgent = self.state.orders.quit = True

    @property
    def _is_outdated(self) -> bool:
        """Whether the answer has waited long for a slow window, while other frames came."""
        is_moving = self.snapshot is not None and not self.snapshot.frame.is_still
        return is_moving and not self._urgent and time.monotonic() - self._taken_at > OUTDATED

    def _await_newer(self) -> None:
        """Have a newer frame answered before the window is drawn; where none comes, it is drawn as it is."""
        self._taken_at, self._awaits_newer = math.inf, True
        self._pace.wait(OUTDATED)
        self.work.inbox.window_is_ready()

    def _follow_messages(self) -> None:
        outcome = self.shooter.outcome()
        if outcome is not None:
            self.state.facts.message = outcome
            self._touched()
        if self.state.facts.message and time.monotonic() > self._message_until:
            self.state.facts.message = ""
            self._changed = True

    def _draw(self) -> None:
        self._pace.drawing()
        takes_all = self.work.worker.threads.takes_all
        self._pace.share = self.options.window.drawing_share if takes_all else 1.0
        if not takes_all:
            self.work.inbox.window_is_ready()  # there is a processor to draw it while the next one is computed
        started = time.monotonic()
        self._changed = self._urgent = self._awaits_newer = False
        self._taken_at = math.inf
        self._size = self.window.size
        self.state.facts.take(self.painter.arrange(self.state, self.snapshot, self._size).facts)
        pixels = self.painter.paint_arranged(self.state)
        painted = time.monotonic()
        self.window.show(pixels)
        shown = time.monotonic()
        self.work.worker.threads.drawing_seconds = shown - started
        self.clock.mark("first window" if self.snapshot is None else "first frame")
        self._rate.tick()
        self.drawn += 1
        self.state.facts.window_rate = self._rate.rate
        self.state.facts.window_timings = {"panes": (painted - started) * 1000, "window": (shown - painted) * 1000}
        if self.options.recording:
            self._record(self.options.recording, pixels)
        if told := self.shooter.follow(self.state, self.snapshot, pixels):
            self.state.facts.message = told
            self._touched()

    def _record(self, film: WindowFilm, pixels: NDArray[np.uint8]) -> None:
        """Where the film stops, the window goes on and says so; the film says it again when it is closed."""
        film.add(pixels)
        if film.problem is not None:
            self.options.recording = None
            self.state.facts.recording_stopped = True
            self.state.facts.message = f"the recording has stopped: {film.problem}"
            self._touched()
