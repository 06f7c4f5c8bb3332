"""Every setting of the toolbox: typed, documented, checked, and where its value came from.

Built-in values are overruled by the section `settings` of the model's model.yaml, those by settings_local.yaml, those
by `--set key=value` on the command line. A new setting is one more field below.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr

from deepvis_toolbox.command_line import run_command
from deepvis_toolbox.configuration import InWords, Section, validated
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.gathered_values import BUILT_IN, GatheredValues
from deepvis_toolbox.network.model_folder import is_factory, model_path
from deepvis_toolbox.settings_text import as_markdown, as_yaml
from deepvis_toolbox.yaml_file import KeyPath, parse_value, read_yaml

LOCAL_FILE = "settings_local.yaml"


def _colour(value: Any) -> Any:
    """`"#ffb326"` as well as [255, 179, 38]."""
    if isinstance(value, str) and len(value) == 7 and value.startswith("#"):
        try:
            return tuple(bytes.fromhex(value[1:]))
        except ValueError:
            return value
    return value


def _several(value: Any) -> Any:
    return (str(value),) if isinstance(value, (str, int)) and not isinstance(value, bool) else value


Byte = Annotated[int, Field(ge=0, le=255)]
Colour = Annotated[
    tuple[Byte, Byte, Byte],
    BeforeValidator(_colour),
    InWords('a colour, "#rrggbb" or [red, green, blue], each 0 to 255'),
]
Names = Annotated[tuple[str, ...], BeforeValidator(_several), InWords("text, or a list of one or two texts")]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$"), InWords("auto, cpu, cuda, cuda:N or mps")]
Pixels = Annotated[float, Field(ge=0, le=4000)]


class SourceSettings(Section):
    """Where frames come from."""

    input: Names = Field(
        (), max_length=2, description="camera:0, demo, file, folder, list or URL; empty: camera, else demo"
    )
    camera_width: int | None = Field(None, ge=16, le=16384, description="Width asked of the camera, in pixels")
    camera_height: int | None = Field(None, ge=16, le=16384, description="Height asked of the camera, in pixels")
    camera_fps: float | None = Field(None, gt=0, le=1000, description="Frames per second asked of the camera")
    mirror: bool = Field(True, description="Show cameras left-right reversed, as a mirror does")
    loop: bool = Field(True, description="Start a video again after its last frame")
    demo_speed: float = Field(1.0, gt=0, le=100, description="How fast the demo moves")
    fit: Literal["crop", "stretch"] = Field(
        "crop", description="Crop frames to the largest square, or stretch them to one"
    )


class WindowSettings(Section):
    """The window."""

    width: int = Field(1500, ge=320, le=16384, description="Width when it opens, in pixels")
    height: int = Field(930, ge=240, le=16384, description="Height when it opens, in pixels")
    scale: float | None = Field(None, ge=0.5, le=8, description="Size of text and lines; null: fits the window")
    title: str = Field(
        "Deep Visualization Toolbox", min_length=1, max_length=200, description="What its title bar says"
    )
    max_fps: float = Field(30.0, ge=1, le=1000, description="Pictures drawn per second, at most")
    drawing_share: float = Field(
        0.03, gt=0, le=1, description="Processor time for drawing, where the network computes on all processors"
    )


class LookSettings(Section):
    """Colours, and sizes in pixels at scale 1."""

    font_path: str = Field("", description="A font file; empty: DejaVu Sans Condensed where OpenCV brings it")
    smooth: bool = Field(True, description="Interpolate enlarged maps; else every value stays a square")
    window: Colour = Field((17, 19, 23), description="Background of the window")
    panel: Colour = Field((25, 28, 33), description="Background of panes")
    line: Colour = Field((44, 48, 56), description="Lines")
    text: Colour = Field((226, 229, 233), description="Text")
    dim: Colour = Field((138, 145, 156), description="Text of less weight")
    accent: Colour = Field((255, 179, 38), description="What is selected")
    warning: Colour = Field((255, 112, 96), description="What is wrong")
    zero: Colour = Field((4, 5, 7), description="An activation of zero")
    full: Colour = Field((255, 255, 255), description="The largest activation")
    below_zero: Colour = Field((64, 132, 232), description="The most negative activation")
    negative: Colour = Field((255, 72, 62), description="The most negative gradient")
    positive: Colour = Field((74, 222, 110), description="The largest gradient")
    text_size: Pixels = Field(14, description="Height of text")
    small_size: Pixels = Field(12, description="Height of small text")
    large_size: Pixels = Field(19, description="Height of large text")
    margin: Pixels = Field(12, description="Around the window's panes")
    gap: Pixels = Field(10, description="Between panes")
    caption: Pixels = Field(26, description="Height of a pane's caption")
    row: Pixels = Field(20, description="Height of one line of a list")
    status: Pixels = Field(48, description="Height of the status line")
    tile_gap: Pixels = Field(1.5, description="Between tiles")
    list_width: Pixels = Field(224, description="Width of the layer list")
    unit_images_width: Pixels = Field(280, description="Width of the unit images' pane")


class LiveSettings(Section):
    """What is shown when the window opens, and how."""

    goto: str | None = Field(None, description="Address of the unit to start at, such as conv5:151")
    backward: Literal["off", "grad", "deconv", "guided"] = Field("off", description="Backward mode at the start")
    backward_view: Literal["raw", "gray", "norm", "norm blurred"] = Field("raw", description="How its result is shown")
    blur_radius: float = Field(4.0, gt=0, le=100, description="Gaussian blur of the view norm blurred, in input pixels")
    show_labels: bool = Field(True, description="Show class labels")
    show_unit_images: bool = Field(True, description="Show the selected unit's pictures")
    screenshots: str = Field("screenshots", min_length=1, description="Folder for screenshots")


class UnitImageSettings(Section):
    """The pictures of units on disk."""

    folder: str | None = Field(None, description="Where they are; null: where the model.yaml says")
    maxes: str | None = Field(None, description="A scan's result (--out of find_max_acts), for top images made by g")
    cache_megabytes: int = Field(256, ge=1, le=1 << 20, description="Memory for pictures read ahead")


class LogSettings(Section):
    """What is written down while the program runs."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least important that is written"
    )
    file: str | None = Field(None, description="Also written to this file")


class Settings(Section):
    """All settings, checked; they do not change while the program runs."""

    model: str = Field(
        "efficientnet-lite0", min_length=1, description="The network: a folder of models/, a model.yaml, …"
    )
    engine: Literal["torch", "caffe"] = Field("torch", description="Who computes: PyTorch, or real Caffe")
    device: Device = Field("auto", description="What it computes on; auto: the GPU where there is one")
    sources: SourceSettings = SourceSettings.model_validate({})
    window: WindowSettings = WindowSettings.model_validate({})
    look: LookSettings = LookSettings.model_validate({})
    live: LiveSettings = LiveSettings.model_validate({})
    unit_images: UnitImageSettings = UnitImageSettings.model_validate({})
    log: LogSettings = LogSettings.model_validate({})
    _origins: dict[KeyPath, str] = PrivateAttr(default_factory=dict)

    def origin(self, key: str) -> str:
        """Where the value of a dotted key came from: `built-in`, `settings_local.yaml:3`, `--set`, …"""
        return self._origins.get(tuple(key.split(".")), BUILT_IN)


def load_settings(
    model: str | None = None,
    local: Path | None = None,
    overrides: Sequence[str] = (),
    flags: Mapping[str, str | None] | None = None,
) -> Settings:
    """The effective settings.

    `model`: as `--model`. `local`: the file to read instead of settings_local.yaml (of the working directory, else
    beside this program). `overrides`: `key=value` with dotted keys, as after `--set`. `flags`: keys that have a flag of
    their own, `--key`; None where it is not given.
    Raises `ToolboxError` that names file, line, key and the allowed values for what is unknown or wrong.
    """
    set_by_user = GatheredValues()
    local_file = local or _local_file()
    if local_file is not None:
        file = read_yaml(local_file)
        set_by_user.take(file.values, file.where)
    for assignment in overrides:
        set_by_user.take(_assigned(assignment), lambda _: "--set")
    for key, value in {"model": model, **(flags or {})}.items():
        if value is not None:
            set_by_user.take({key: str(value)}, lambda path: f"--{path[0]}")
    effective = GatheredValues()
    _take_model_settings(effective, _checked(set_by_user))
    effective.take(set_by_user.values, set_by_user.where)
    return _checked(effective)


def _checked(gathered: GatheredValues) -> Settings:
    settings = validated(Settings, gathered.values, gathered.where)
    settings._origins = gathered.origins
    return settings


def _take_model_settings(effective: GatheredValues, chosen: Settings) -> None:
    if is_factory(chosen.model):
        return
    try:
        path = model_path(chosen.model)
    except ToolboxError as error:
        raise ToolboxError(f'{chosen.origin("model")}: "model": {error}') from None
    file = read_yaml(path)
    section = file.values.get("settings") or {}
    if not isinstance(section, Mapping):
        raise ToolboxError(f'{file.where(("settings",))}: "settings" must be a group of keys')
    if "model" in section:
        raise ToolboxError(f"{file.where(('settings', 'model'))}: a model.yaml cannot choose the model")
    effective.take(section, lambda path: file.where(("settings", *path)))


def _local_file() -> Path | None:
    places = (Path.cwd() / LOCAL_FILE, Path(__file__).resolve().parent / LOCAL_FILE)
    return next((path for path in places if path.exists()), None)


def _assigned(assignment: str) -> dict[str, Any]:
    """`window.width=1200` as nested mappings."""
    key, equals, text = assignment.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ToolboxError(f"--set {assignment}: write key=value, such as --set window.width=1200")
    value = parse_value(text, f"--set {assignment}")
    for part in reversed(parts):
        value = {part: value}
    return dict(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="settings.py",
        description="Prints the effective settings, and where each came from.",
        epilog="""examples:
  python settings.py
  python settings.py --model models/squeezenet --set window.width=1280 --set sources.input=demo
  python settings.py > settings_local.yaml      (a file to start from: keep the lines you change)
""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", help="the network, whose model.yaml may hold settings")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="one setting")
    parser.add_argument("--local", type=Path, metavar="FILE", help=f"read this file instead of {LOCAL_FILE}")
    parser.add_argument("--markdown", action="store_true", help="print all settings with their meaning, as Markdown")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `python settings.py`."""
    given = _parser().parse_args(arguments)
    if given.markdown:
        print(as_markdown(Settings), end="")
        return 0
    settings = load_settings(given.model, given.local, given.overrides)
    print(as_yaml(settings, lambda path: settings.origin(".".join(map(str, path)))))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
