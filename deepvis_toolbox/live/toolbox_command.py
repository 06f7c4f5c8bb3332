"""Opens the live toolbox: a camera or files in, what every layer of a convnet computes on the screen."""

from __future__ import annotations

import time

BEGAN = time.perf_counter()

import argparse  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from functools import partial  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, NoReturn  # noqa: E402

from deepvis_toolbox.command_line.ending import run_command  # noqa: E402
from deepvis_toolbox.errors import ToolboxError  # noqa: E402

if TYPE_CHECKING:
    from deepvis_toolbox.live.pictures.picture_shelf import OpenShelf
    from deepvis_toolbox.live.start import StartOptions
    from deepvis_toolbox.live.work.grower import OpenGrower
    from deepvis_toolbox.network.interface import Network
    from deepvis_toolbox.settings.sections import LogSettings, Settings

EXAMPLES = """examples:
  python run_toolbox.py                                    the default network; a camera, or the demo without one
  python run_toolbox.py --input camera:0 --input pictures/ two inputs; the key c switches between them
  python run_toolbox.py --model torchvision:resnet18 --goto layer3.0.conv1:12
  python run_toolbox.py --prototxt deploy.prototxt --weights net.caffemodel --mean 104,117,123
  python run_toolbox.py --headless --input cat.jpg --script "down right right b z" --snapshot out.png
  python run_toolbox.py --headless --input demo --frames 90 --record out.mp4
"""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run_toolbox.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--input", action="append", metavar="INPUT",
                        help="camera:0, demo, a picture, video, folder, list or URL; may be given twice")  # fmt: skip
    parser.add_argument("--goto", metavar="LAYER:UNIT", help="the unit to start at, such as block3.add:7")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE",
                        help="one setting; python settings.py lists them")  # fmt: skip
    parser.add_argument("--timings", action="store_true", help="print what the start was spent on")
    parser.add_argument("--keys", action="store_true", help="tell what a pressed key is, and do nothing else")
    _add_network(parser.add_argument_group("network"))
    _add_headless(parser.add_argument_group("pictures and videos of the window"))
    return parser


def _add_network(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--model", help="a name or folder of models/, a model.yaml, torchvision:NAME, timm:NAME, "
                       "or package.module:factory")  # fmt: skip
    group.add_argument("--engine", choices=["torch", "caffe"], help="who computes; caffe: real Caffe")
    group.add_argument("--device", help="auto, cpu, cuda, cuda:N or mps")
    group.add_argument("--prototxt", metavar="FILE", help="Caffe: the network's definition")
    group.add_argument("--weights", metavar="FILE", help="trained weights")
    group.add_argument("--labels", metavar="FILE", help="class names, one a line")
    group.add_argument("--save-model", type=Path, metavar="DIR",
                       help="write the model.yaml of --prototxt and --weights, and do nothing else")  # fmt: skip
    group.add_argument("--fetch", metavar="NAME", help="download the files of a model, and do nothing else")
    group.add_argument("--mean", help="one number, one for each channel (104,117,123), or a file")
    group.add_argument("--scale", help="factor after the mean: one number, or one for each channel")
    group.add_argument("--std", help="divisor after the mean: one number, or one for each channel")
    group.add_argument("--channels", choices=["RGB", "BGR", "gray"], help="the network's channel order")
    group.add_argument("--input-size", metavar="N or H,W", help="the network's input size, in pixels")
    group.add_argument("--crop", type=float, help="the fraction of the picture's centre that is seen")


def _add_headless(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--headless", action="store_true", help="draw without a window, every frame in order")
    group.add_argument("--frames", type=_positive, metavar="N", help="stop after so many frames")
    group.add_argument("--script", default="", metavar='"KEYS"', help="keys to press, one for each frame; wait: none")
    group.add_argument("--snapshot", type=Path, metavar="FILE.png", help="save the last window (with --headless)")
    group.add_argument("--record", type=Path, metavar="FILE.mp4", help="record the windows as a video")


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    if given.keys:
        return _check_keys()
    if given.fetch:
        return _fetch(given.fetch)
    if given.snapshot and not given.headless:
        raise ToolboxError("--snapshot needs --headless; in the window, the key p saves a screenshot")
    if given.snapshot and given.snapshot.suffix.lower() != ".png":
        raise ToolboxError(f"--snapshot {given.snapshot}: it is written as a PNG, so its name must end in .png")
    if len(given.input or []) > 2:
        raise ToolboxError("--input may be given twice at most; a folder or a list holds many pictures")
    options = _options(given)
    if given.save_model:
        return _save_model(options, given.save_model)
    options.clock.mark("settings")
    if given.headless:
        from deepvis_toolbox.live.start import run_headless

        run_headless(options)
        return 0
    from deepvis_toolbox.live.start import run_live

    run_live(options)
    if given.timings:
        print(options.clock.report())
    return 0


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


def _save_model(options: StartOptions, folder: Path) -> int:
    from deepvis_toolbox.opening.found_out import save_model

    with options.load() as network:
        print(f"written: {save_model(network, folder)}")
    return 0


def _options(given: argparse.Namespace) -> StartOptions:
    from deepvis_toolbox.live.start import StartOptions
    from deepvis_toolbox.live.startup import StartupClock
    from deepvis_toolbox.settings.loading import load_settings

    flags = {"engine": given.engine, "device": given.device}
    settings = load_settings(given.model, overrides=given.overrides, flags=flags)
    _log_as(settings.log)
    return StartOptions(
        load=lambda: _load(given, settings),
        settings=settings,
        inputs=given.input or (),
        goto=given.goto or "",
        script=given.script,
        frames=given.frames,
        record=given.record,
        snapshot=given.snapshot,
        open_shelf=_shelf_opener(given, settings),
        open_grower=_grower_opener(settings),
        clock=StartupClock(BEGAN),
    )


def _shelf_opener(given: argparse.Namespace, settings: Settings) -> OpenShelf:
    from deepvis_toolbox.live.pictures.picture_commands import PictureCommands
    from deepvis_toolbox.live.pictures.picture_shelf import open_shelf

    images = settings.unit_images
    commands = PictureCommands(
        settings.model,
        settings.engine,
        images.folder,
        given.prototxt,
        given.weights,
        given.mean,
        given.input_size,
        given.channels,
        only_here=any(value is not None for value in (given.scale, given.std, given.crop)),
    )
    return partial(open_shelf, commands=commands, folder=images.folder, byte_limit=images.cache_megabytes << 20)


def _grower_opener(settings: Settings) -> OpenGrower:
    from deepvis_toolbox.live.work.grower import open_grower

    return partial(open_grower, folder=settings.unit_images.folder, maxes=settings.unit_images.maxes)


def _load(given: argparse.Namespace, settings: Settings) -> Network:
    """Opens the network; called in the worker thread, where importing torch holds nobody up."""
    from deepvis_toolbox.opening.found_out import found_out
    from deepvis_toolbox.opening.loading import load_network

    network = load_network(
        None if given.prototxt else settings.model,
        settings.engine,
        settings.device,
        prototxt=given.prototxt,
        weights=given.weights,
        labels=given.labels,
        input_size=_size(given.input_size),
        channels=given.channels,
        mean=_numbers_or_file(given.mean),
        scale=_numbers("--scale", given.scale),
        std=_numbers("--std", given.std),
        crop=given.crop,
    )
    for line in found_out(network) if given.prototxt else ():
        print(line, flush=True)
    return network


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'"{text}" must be a whole number, 1 or more')
    return int(text)


def _numbers(flag: str, text: str | None) -> float | list[float] | None:
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise ToolboxError(f'{flag} "{text}" must be a number, or numbers with commas between them') from None
    return numbers[0] if len(numbers) == 1 else numbers


def _numbers_or_file(text: str | None) -> float | list[float] | str | None:
    try:
        return _numbers("--mean", text)
    except ToolboxError:
        return text


def _size(text: str | None) -> int | tuple[int, int] | None:
    if text is None:
        return None
    parts = text.lower().replace("x", ",").split(",")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise ToolboxError(f'--input-size "{text}" must be one number, or height,width')
    numbers = [int(part) for part in parts]
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def _log_as(log: LogSettings) -> None:
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if log.file:
        handlers.append(logging.FileHandler(log.file, encoding="utf-8"))
    logging.basicConfig(level="WARNING", format="%(levelname)s %(name)s: %(message)s", handlers=handlers)
    logging.getLogger("deepvis_toolbox").setLevel(log.level.upper())  # not what other packages have to say


def _leave(status: int) -> NoReturn:
    """Ends the process. A thread deep in a long computation, or in importing torch, is not waited for: Python's own way
    out would pull the ground from under it."""
    if threading.active_count() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def run() -> NoReturn:
    """`deepvis` and `python run_toolbox.py`."""
    _leave(run_command(main))
