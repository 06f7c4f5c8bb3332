"""Starts the toolbox, with a window or without one, from what the command line and the settings say."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.drawing.film import Film
from deepvis_toolbox.errors import ToolboxError, shown_path
from deepvis_toolbox.live.look import look_from
from deepvis_toolbox.live.painter import Painter
from deepvis_toolbox.live.pictures.picture_shelf import OpenShelf
from deepvis_toolbox.live.pictures.screenshot import save_screenshot
from deepvis_toolbox.live.pictures.window_film import WindowFilm
from deepvis_toolbox.live.startup import StartupClock
from deepvis_toolbox.live.state import State, View
from deepvis_toolbox.live.window.screen import USUAL_WINDOW
from deepvis_toolbox.live.work.counterpart import OpenCounterpart
from deepvis_toolbox.live.work.grower import OpenGrower
from deepvis_toolbox.live.work.scan_reading import OpenScan
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.live.work.training import Training
from deepvis_toolbox.settings.sections import Settings
from deepvis_toolbox.shown_text import settings_without_secrets
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
    settings: Settings = field(default_factory=Settings)
    inputs: Sequence[str] = ()
    """As after `--input`; empty: those of the settings, else the first camera, else the demo."""
    goto: str = ""
    """The unit to start at; empty: the settings'."""
    view: View | None = None
    """How things are shown at the start; None: as the settings say."""
    script: str = ""
    """As after `--script`."""
    frames: int | None = None
    record: Path | None = None
    snapshot: Path | None = None
    """Headless: the last window is saved here."""
    open_shelf: OpenShelf | None = None
    """Opens the loaded network's unit images."""
    open_grower: OpenGrower | None = None
    """Gives what makes pictures on demand."""
    open_scan: OpenScan | None = None
    """Begins to read a scan of the network."""
    training: Training | None = None
    """The training that is watched."""
    open_counterpart: OpenCounterpart | None = None
    """Opens the network to compare with."""
    clock: StartupClock = field(default_factory=StartupClock)

    def painter(self) -> Painter:
        """Return what paints the window as the settings say."""
        look = look_from(self.settings.look, self.settings.live.blur_radius)
        return Painter(look, self.settings.window.scale)

    @property
    def record_of_settings(self) -> dict[str, Any]:
        """The settings as plain data, which every screenshot's metadata holds, without passwords."""
        return dict(settings_without_secrets(self.settings.model_dump(mode="json")))

    @property
    def start_unit(self) -> str:
        """The address of the unit to start at, or empty."""
        return self.goto or self.settings.live.goto or ""


def run_live(options: StartOptions) -> bool:
    """Open the window and return when it is closed; False where a thread was still busy then.

    `ToolboxError` where there was no network to show.
    """
    from deepvis_toolbox.live.main_loop import LoopOptions, MainLoop
    from deepvis_toolbox.live.pictures.shooter import Shooter
    from deepvis_toolbox.live.window.display import check_display
    from deepvis_toolbox.live.window.interrupt import signals_quit
    from deepvis_toolbox.live.window.screen import window_size
    from deepvis_toolbox.live.window.window import Window
    from deepvis_toolbox.live.work.live_work import LiveWork
    from deepvis_toolbox.live.work.worker import failure_sentence

    check_display()
    painter, window_settings = options.painter(), options.settings.window
    script = painter.keys.parse_script(options.script)
    cv2.setNumThreads(1)  # the network has the other processors; small pictures gain nothing from more
    with ExitStack() as stack:
        rate = window_settings.max_fps
        film = _recording(options, rate)
        recording = stack.enter_context(WindowFilm(film, rate)) if film else None
        sources = open_sources(options, realtime=True)
        options.clock.mark("sources")
        openers = (options.open_grower, options.training, options.open_scan, options.open_counterpart)
        work = LiveWork(options.load, sources, options.start_unit, *openers)
        work.start()
        try:
            window = Window(window_settings.title, *window_size(window_settings.width, window_settings.height))
            options.clock.mark("window")
            shooter = Shooter(Path(options.settings.live.screenshots), options.record_of_settings, rate)
            stack.callback(shooter.close)
            stack.callback(window.close)
            limits = LoopOptions(window_settings, options.frames, script, recording)
            state = start_state(options, len(sources))
            loop = MainLoop(work, window, painter, state, shooter, limits, options.open_shelf, options.clock)
            with signals_quit(state):
                loop.run()
        finally:
            ended = work.close()
    if failure := failure_sentence(work.worker):
        raise ToolboxError(failure)
    return ended


def run_headless(options: StartOptions) -> None:
    """Process `frames` frames and save what was asked for.

    Without a number: to the end of an input that has one, else as many as the script has keys, one at least.
    """
    from deepvis_toolbox.live.headless import HeadlessRun

    settings = options.settings.window
    painter, size = options.painter(), (settings.width or USUAL_WINDOW[0], settings.height or USUAL_WINDOW[1])
    script = painter.keys.parse_script(options.script)
    if options.frames is not None and options.frames < len(script):
        raise ToolboxError(f"--frames {options.frames} is too few for the {len(script)} keys of --script")
    with ExitStack() as stack:
        sources = open_sources(options, realtime=False)
        for source in sources:
            stack.callback(source.close)
        frames = options.frames or (None if sources[0].has_end else max(1, len(script)))
        recording = _recording(options, sources[0].rate or options.settings.window.max_fps)
        if recording:
            stack.enter_context(recording)
        state = start_state(options, len(sources))
        network = stack.enter_context(options.load())
        last: list[tuple[NDArray[np.uint8], Snapshot]] = []

        def keep(pixels: NDArray[np.uint8], snapshot: Snapshot) -> None:
            last[:] = [(pixels, snapshot)]
            if recording:
                recording.add(pixels)

        run = HeadlessRun(network, sources, painter, state, size, keep, options.start_unit)
        if options.open_counterpart:
            run.counterpart = stack.enter_context(options.open_counterpart(network))
        run.open_shelf, run.open_grower, run.open_scan = options.open_shelf, options.open_grower, options.open_scan
        done = run.run(frames, script)
        if done < (frames or len(script)):
            _log.info("the input ended, or a key quit, after %d of %d frames", done, frames or len(script))
        if recording and options.frames is None and not (sources[0].has_end or sources[0].is_still):
            _log.warning("%s has no end: %d of its frames were recorded; say how many with --frames (of a video, "
                         "--set sources.loop=false records all)", sources[0].name, done)  # fmt: skip
        if options.snapshot:
            if not last:
                raise ToolboxError("there is no picture to save: the input brought no frame")
            save_screenshot(options.snapshot, last[0][0], state, last[0][1], options.record_of_settings)


def open_sources(options: StartOptions, realtime: bool) -> list[Source]:
    """Return the sources asked for. Where one does not open, those already open are closed again."""
    source_options = SourceOptions(**dict(options.settings.sources), realtime=realtime)
    sources: list[Source] = []
    try:
        for text in options.inputs or options.settings.sources.input or [default_input()]:
            sources.append(open_source(text, source_options))
    except BaseException:
        for source in sources:
            source.close()
        raise
    return sources


def default_input() -> str:
    """Return what is shown where nobody names an input: the first camera, else the demo."""
    camera = first_camera()
    return "demo" if camera is None else f"camera:{camera}"


def start_state(options: StartOptions, sources: int) -> State:
    """Return the state that a window with so many sources begins with."""
    live = options.settings.live
    view = options.view or View(
        backward=live.backward,
        backward_view=live.backward_view,
        top=live.top_tiles,
        show_labels=live.show_labels,
        show_unit_images=live.show_unit_images,
        stretch=options.settings.sources.fit == "stretch",
    )
    state = State.started_with(view)
    state.facts.sources = sources
    state.facts.loading = "loading the network …"
    if options.training:
        state.facts.is_training = True
        where = options.training.where
        place = f"from port {where}" if isinstance(where, int) else f"in {shown_path(where)}"
        state.facts.loading = f"waiting for weights {place} …"
    return state


def _recording(options: StartOptions, rate: float) -> Film | None:
    """Return the film to record to, if any, of `rate` frames a second."""
    return None if options.record is None else Film(options.record, rate)
