"""Starts the toolbox, with a window or without one, from what the command line and the settings say."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.painter import Painter
from deepvis_toolbox.live.pictures.picture_shelf import OpenShelf
from deepvis_toolbox.live.pictures.screenshot import save_screenshot
from deepvis_toolbox.live.pictures.window_film import VideoRecording
from deepvis_toolbox.live.startup import StartupClock
from deepvis_toolbox.live.state import State, started_with
from deepvis_toolbox.live.work.grower import OpenGrower
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.sources.kinds.camera import first_camera
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.source import Source

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StartOptions:
    """What a run of the toolbox is made of."""

    load: Callable[[], Network]
    inputs: Sequence[str] = ()
    """As after `--input`; empty: the first camera, else the demo."""
    source_options: SourceOptions = field(default_factory=SourceOptions)
    goto: str = ""
    script: Sequence[str] = ()
    frames: int | None = None
    record: Path | None = None
    snapshot: Path | None = None
    """Headless: the last window is saved here."""
    size: tuple[int, int] = (1500, 930)
    scale: float | None = None
    title: str = "Deep Visualization Toolbox"
    max_fps: float = 30.0
    drawing_share: float = 0.03
    """As in `LoopOptions`."""
    look: Look = field(default_factory=Look)
    screenshots: Path = Path("screenshots")
    start_values: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the state to start with."""
    open_shelf: OpenShelf | None = None
    """Opens the loaded network's unit images."""
    open_grower: OpenGrower | None = None
    """Gives what makes pictures on demand."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Written into every screenshot's metadata."""
    clock: StartupClock = field(default_factory=StartupClock)

    @property
    def painter(self) -> Painter:
        return Painter(self.look, self.scale)


def run_live(options: StartOptions) -> bool:
    """Opens the window and returns when it is closed; False where a thread was still busy then.

    `ToolboxError` where there was no network to show.
    """
    from deepvis_toolbox.live.main_loop import LoopOptions, MainLoop
    from deepvis_toolbox.live.pictures.shooter import Shooter
    from deepvis_toolbox.live.window.display import check_display
    from deepvis_toolbox.live.window.interrupt import interrupt_quits
    from deepvis_toolbox.live.window.window import Window
    from deepvis_toolbox.live.work.session import Session
    from deepvis_toolbox.live.work.worker import failure_sentence

    check_display()
    cv2.setNumThreads(1)  # the network has the other processors; small pictures gain nothing from more
    with ExitStack() as stack:
        recording = _recording(options, stack)
        sources = open_sources(options)
        options.clock.mark("sources")
        session = Session(options.load, sources, options.goto, options.open_grower)
        session.start()
        try:
            window = Window(options.title, *options.size)
            options.clock.mark("window")
            shooter = Shooter(options.screenshots, options.settings)
            stack.callback(shooter.close)
            stack.callback(window.close)
            limits = LoopOptions(options.max_fps, options.drawing_share, options.frames, options.script, recording)
            state = _start_state(options, len(sources))
            loop = MainLoop(session, window, options.painter, state, shooter, limits, options.open_shelf, options.clock)
            with interrupt_quits(state):
                loop.run()
        finally:
            ended = session.close()
    if failure := failure_sentence(session.worker):
        raise ToolboxError(failure)
    return ended


def run_headless(options: StartOptions) -> None:
    """Processes `frames` frames (as many as the script has keys, one at least) and saves what was asked for."""
    from deepvis_toolbox.live.headless import HeadlessRun

    frames = max(1, len(options.script)) if options.frames is None else options.frames
    if frames < len(options.script):
        raise ToolboxError(f"--frames {frames} is too few for the {len(options.script)} keys of --script")
    state = _start_state(options, max(1, len(options.inputs)))
    with ExitStack() as stack:
        recording = _recording(options, stack)
        sources = open_sources(options)
        for source in sources:
            stack.callback(source.close)
        network = stack.enter_context(options.load())
        last: list[tuple[NDArray[np.uint8], Snapshot]] = []

        def keep(pixels: NDArray[np.uint8], snapshot: Snapshot) -> None:
            last[:] = [(pixels, snapshot)]
            if recording:
                recording.add(pixels)

        run = HeadlessRun(network, sources, options.painter, state, options.size, keep, options.goto)
        run.open_shelf, run.open_grower = options.open_shelf, options.open_grower
        done = run.run(frames, options.script)
        if done < frames:
            _log.info("the input ended, or a key quit, after %d of %d frames", done, frames)
        if options.snapshot:
            if not last:
                raise ToolboxError("there is no picture to save: the input brought no frame")
            save_screenshot(options.snapshot, last[0][0], state, last[0][1], options.settings)


def open_sources(options: StartOptions) -> list[Source]:
    """The sources asked for. Where one does not open, those already open are closed again."""
    sources: list[Source] = []
    try:
        for text in options.inputs or [_default_input()]:
            sources.append(open_source(text, options.source_options))
    except BaseException:
        for source in sources:
            source.close()
        raise
    return sources


def _default_input() -> str:
    camera = first_camera()
    return "demo" if camera is None else f"camera:{camera}"


def _start_state(options: StartOptions, sources: int) -> State:
    state = started_with(**options.start_values)
    state.sources = sources
    state.loading = "loading the network …"
    return state


def _recording(options: StartOptions, stack: ExitStack) -> VideoRecording | None:
    if options.record is None:
        return None
    return stack.enter_context(VideoRecording(options.record, options.max_fps))
