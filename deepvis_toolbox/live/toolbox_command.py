"""Opens the live toolbox: a camera or files in, what every layer of a convnet computes on the screen."""

from __future__ import annotations

import time

BEGAN = time.perf_counter()

import argparse  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from functools import partial  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING  # noqa: E402

from deepvis_toolbox.command_line import values  # noqa: E402
from deepvis_toolbox.command_line.flags import (  # noqa: E402
    add_network_flags,
    add_settings_flags,
    add_store_flag,
    add_talk_flags,
)
from deepvis_toolbox.command_line.opened_network import loading_options, written_flags  # noqa: E402
from deepvis_toolbox.command_line.parser import CommandParser, add_flag  # noqa: E402
from deepvis_toolbox.command_line.talking import log_to  # noqa: E402
from deepvis_toolbox.counterpart.flags import add_comparison_flags  # noqa: E402
from deepvis_toolbox.errors import ToolboxError, shown_path, user_path  # noqa: E402
from deepvis_toolbox.live.web_flags import WebOptions, add_web_flags, web_options  # noqa: E402
from deepvis_toolbox.sources.early_start import begin_decoding  # noqa: E402
from deepvis_toolbox.words.backward import BACKWARD_MODES, BACKWARD_VIEWS, CONTRIBUTION_VIEWS  # noqa: E402
from deepvis_toolbox.words.inputs import INPUT_FORMS  # noqa: E402

if TYPE_CHECKING:
    from deepvis_toolbox.live.pictures.picture_shelf import OpenShelf
    from deepvis_toolbox.live.start import StartOptions
    from deepvis_toolbox.live.work.checkpoints import Checkpoint
    from deepvis_toolbox.live.work.grower import OpenGrower
    from deepvis_toolbox.live.work.scan_reading import OpenScan
    from deepvis_toolbox.live.work.training import Training
    from deepvis_toolbox.network.interface import Network
    from deepvis_toolbox.settings.sections import Settings

    Serve = Callable[[StartOptions, WebOptions], None]


LISTS = {
    "inputs": INPUT_FORMS,
    "backward modes": BACKWARD_MODES,
    "backward views": BACKWARD_VIEWS,
    "views of contributions": CONTRIBUTION_VIEWS,
}
"""What the help lists, with a sentence for each."""


def parser() -> CommandParser:
    """Return the command's flags."""
    parser = CommandParser(
        "deepvis",
        "Opens the live toolbox: a camera or files in, what every layer of a convnet computes on the screen.",
        [
            ("camera:0 pictures/", "the key c switches between the two"),
            ('cat.jpg --headless --script "right down b" --snapshot out.png', ""),
        ],
        lists=LISTS,
    )
    add_network_flags(parser)
    parser.set_defaults(model=None, engine=None, device=None)  # the settings say them, unless a flag does
    network = parser.group("network")
    network.add_argument("--save-model", type=Path, metavar="DIR",
                         help="write the model.yaml of --prototxt and --weights, and do nothing else")  # fmt: skip
    network.add_argument("--fetch", metavar="NAME", help="download the files of a model, and do nothing else")
    network.add_argument(
        "--trusted", action="store_true", help="list the folders that were trusted, and do nothing else"
    )
    network.add_argument("--watch", metavar="FILE_OR_FOLDER",
                         help="open the network's newest weights whenever a training writes some; localhost:PORT: "
                         "those of a script that uses deepvis_toolbox.watch")  # fmt: skip
    add_comparison_flags(network, "show the difference")
    _add_units_and_pictures(parser)
    _add_window(parser)
    add_web_flags(parser)
    add_settings_flags(parser)
    add_talk_flags(parser)
    talk = parser.group("talk")
    talk.add_argument("--timings", action="store_true", help="print what the start was spent on")
    talk.add_argument("--keys", action="store_true", help="tell what a pressed key is, and do nothing else")
    return parser


def _add_units_and_pictures(parser: CommandParser) -> None:
    units = parser.group("units")
    units.add_argument("--goto", metavar="LAYER:UNIT", help="the unit to start at: block3.add:7, fc:ostrich")
    units.add_argument("--restore", type=Path, metavar="SHOT.png",
                       help="show things as in a screenshot that the key p saved, and its unit")  # fmt: skip
    pictures = parser.group("pictures in")
    pictures.add_argument("sources", nargs="*", metavar="SOURCE", help="the same as --input SOURCE")
    pictures.add_argument("--input", action="append", default=[], metavar="SOURCE",
                          help="camera:0, demo, a picture, video, folder, list or URL; may be given twice")  # fmt: skip
    pictures.add_argument("--maxes", metavar="DIR",
                          help="the result of a scan: the window says what each unit did in its data set")  # fmt: skip


def _add_window(parser: CommandParser) -> None:
    group = parser.group("method", "the window")
    group.add_argument("--headless", action="store_true", help="draw without a window, every frame in order")
    add_flag(group, "--frames", reader=values.positive, metavar="N",
             help="stop after so many frames (default, headless: at the end of a "
             "video that is not shown again, else after the script's keys, or one)")  # fmt: skip
    group.add_argument("--script", default="", metavar='"KEYS"', help="keys to press, one for each frame; wait: none")
    add_store_flag(parser, aliases=[])
    results = parser.group("results out")
    results.add_argument("--snapshot", type=Path, metavar="FILE.png", help="save the last window (with --headless)")
    results.add_argument("--record", type=Path, metavar="FILE.mp4", help="record the windows as a video")


def main(arguments: Sequence[str] | None = None, serve: Serve | None = None) -> int:
    """Run the command as the arguments say; return the exit status. `serve` shows the window in browsers."""
    given = parser().parse_intermixed_args(arguments)  # sources may stand between flags
    given.input = [*given.sources, *given.input]
    if given.keys:
        return _check_keys()
    if given.fetch:
        return _fetch(given.fetch)
    if given.trusted:
        return _list_trusted()
    _check(given)
    web = web_options(given)
    options = _options(given)
    if given.save_model:
        return _save_model(options, given.save_model)
    begin_decoding(given.input)
    options.clock.mark("settings")
    if web and serve:
        serve(options, web)
        return 0
    if given.headless:
        from deepvis_toolbox.live.start import run_headless

        run_headless(options)
        return 0
    from deepvis_toolbox.live.start import run_live

    run_live(options)
    if given.timings:
        print(options.clock.report())
    return 0


def _check(given: argparse.Namespace) -> None:
    """Raise `ToolboxError` where flags contradict each other."""
    if given.snapshot and not given.headless:
        raise ToolboxError("--snapshot needs --headless; in the window, the key p saves a screenshot")
    if given.snapshot and given.snapshot.suffix.lower() != ".png":
        raise ToolboxError(f"--snapshot {given.snapshot}: it is written as a PNG, so its name must end in .png")
    if len(given.input) > 2:
        raise ToolboxError(
            f"{len(given.input)} inputs are named; the window takes two at most; a folder or a list holds many pictures"
        )
    if given.watch and (given.headless or given.weights):
        flag = "--headless" if given.headless else "--weights"
        raise ToolboxError(f"--watch does not go with {flag}: it opens the newest weights in the window")
    if given.watch and given.maxes:
        raise ToolboxError(
            "--maxes does not go with --watch: a scan is of one set of weights, which a training changes"
        )


def _check_keys() -> int:
    from deepvis_toolbox.live.window.display import check_display
    from deepvis_toolbox.live.window.key_check import check_keys

    check_display()
    check_keys()
    return 0


def _fetch(name: str) -> int:
    from deepvis_toolbox.opening.downloads.fetch import fetch_model

    fetch_model(name)
    return 0


def _list_trusted() -> int:
    from deepvis_toolbox.opening.trust import trusted_folders

    for trusted in trusted_folders():
        state = "as it was trusted" if trusted.is_unchanged else "changed since, and no longer trusted"
        print(f"{trusted.folder}: {state} ({trusted.content[:8]})")
    return 0


def _save_model(options: StartOptions, folder: Path) -> int:
    from deepvis_toolbox.opening.found_out import save_model

    with options.load() as network:
        print(f"written: {save_model(network, folder)}")
    return 0


def _options(given: argparse.Namespace) -> StartOptions:
    from deepvis_toolbox.live.compare_flags import counterpart_opener
    from deepvis_toolbox.live.pictures.restoring import restored
    from deepvis_toolbox.live.start import StartOptions
    from deepvis_toolbox.live.startup import StartupClock
    from deepvis_toolbox.settings.loading import load_settings

    flags = {"engine": given.engine, "device": given.device}
    local, folders = given.settings, {"store": given.store, "maxes": given.maxes}
    settings = load_settings(given.model, local, overrides=given.overrides, flags=flags, **folders)
    log_to(settings.log.file, _log_level(given, settings))
    view, unit = restored(given.restore) if given.restore else (None, "")
    return StartOptions(
        load=lambda: _load(given, settings),
        settings=settings,
        inputs=given.input,
        goto=given.goto or unit,
        view=view,
        script=given.script,
        frames=given.frames,
        record=given.record,
        snapshot=given.snapshot,
        open_shelf=_shelf_opener(given, settings),
        open_grower=_grower_opener(settings),
        open_scan=None if given.watch else _scan_opener(settings),
        training=_training(given, settings),
        open_counterpart=counterpart_opener(given, settings, _load),
        clock=StartupClock(BEGAN),
    )


def _shelf_opener(given: argparse.Namespace, settings: Settings) -> OpenShelf:
    from deepvis_toolbox.live.pictures.picture_commands import PictureCommands
    from deepvis_toolbox.live.pictures.picture_shelf import open_shelf

    images = settings.unit_images
    commands = PictureCommands(settings.model, settings.engine, images.folder, written_flags(given))
    return partial(open_shelf, commands=commands, folder=images.folder, byte_limit=images.cache_megabytes << 20)


def _grower_opener(settings: Settings) -> OpenGrower:
    from deepvis_toolbox.live.work.grower import open_grower

    return partial(open_grower, folder=settings.unit_images.folder, maxes=settings.unit_images.maxes)


def _scan_opener(settings: Settings) -> OpenScan | None:
    from deepvis_toolbox.live.work.scan_reading import ScanReading

    images, is_asked_for = settings.unit_images, settings.origin("unit_images.maxes") == "--maxes"
    if images.maxes is None:
        return None
    labels = None if images.maxes_labels is None else user_path(images.maxes_labels)
    return partial(ScanReading, user_path(images.maxes), labels=labels, is_asked_for=is_asked_for)


def _training(given: argparse.Namespace, settings: Settings) -> Training | None:
    from deepvis_toolbox.live.work.served_checkpoints import served_port
    from deepvis_toolbox.live.work.training import Training

    if given.watch is None:
        return None
    port = served_port(given.watch)
    where = user_path(given.watch).absolute()
    if port is None and not where.exists() and not where.parent.is_dir():
        raise ToolboxError(f"--watch {shown_path(where)}: there is no such folder")

    def load(checkpoint: Checkpoint) -> Network:
        return _load(argparse.Namespace(**{**vars(given), "weights": str(checkpoint.path)}), settings)

    return Training(where if port is None else port, load)


def _load(given: argparse.Namespace, settings: Settings) -> Network:
    """Open the network; called in the worker thread, where importing torch holds nobody up."""
    from deepvis_toolbox.opening.found_out import found_out
    from deepvis_toolbox.opening.loading import load_network

    chosen = {**loading_options(given), "engine": settings.engine, "device": settings.device}
    network = load_network(None if given.prototxt else settings.model, **chosen)
    for line in found_out(network) if given.prototxt else ():
        print(line, flush=True)
    return network


def _log_level(given: argparse.Namespace, settings: Settings) -> str:
    """As the settings say, unless -v or -q does."""
    return "debug" if given.verbose else "warning" if given.quiet else settings.log.level
