"""Every setting of the toolbox: typed, documented, checked. A new setting is one more field below."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr

from deepvis_toolbox.configuration.gathered_values import BUILT_IN
from deepvis_toolbox.configuration.section import InWords, OneOf, Section
from deepvis_toolbox.configuration.yaml_file import KeyPath
from deepvis_toolbox.words.backward import (
    BackwardView,
    ChosenBackwardMode,
    chosen_backward_modes,
    chosen_backward_views,
)
from deepvis_toolbox.words.device import DEVICE_PATTERN
from deepvis_toolbox.words.inputs import INPUT_FORMS
from deepvis_toolbox.words.network import DEFAULT_MODEL, Engine


def _colour(value: Any) -> Any:
    """Return [255, 179, 38] for `"#ffb326"`; other values as they are."""
    if isinstance(value, str) and len(value) == 7 and value.startswith("#"):
        try:
            return tuple(bytes.fromhex(value[1:]))
        except ValueError:
            return value
    return value


def _several(value: Any) -> Any:
    return (str(value),) if isinstance(value, (str, int)) and not isinstance(value, bool) else value


Byte = Annotated[int, Field(ge=0, le=255)]
ChosenColour = Annotated[
    tuple[Byte, Byte, Byte],
    BeforeValidator(_colour),
    InWords('a colour, "#rrggbb" or [red, green, blue], each 0 to 255'),
]
Inputs = Annotated[
    tuple[str, ...],
    BeforeValidator(_several),
    InWords(lambda: f"text, or a list of one or two texts: {', '.join(INPUT_FORMS)}"),
]
Mode = Annotated[ChosenBackwardMode, OneOf(chosen_backward_modes)]
ChosenView = Annotated[BackwardView, OneOf(chosen_backward_views)]
Device = Annotated[str, Field(pattern=DEVICE_PATTERN), InWords("auto, cpu, cuda, cuda:N or mps")]
PixelSize = Annotated[float, Field(ge=0, le=4000)]


class SourceSettings(Section):
    """Where frames come from."""

    input: Inputs = Field((), max_length=2, description="Where frames come from; empty: a camera, else the demo")
    camera_width: int | None = Field(None, ge=16, le=16384, description="Width asked of the camera, in pixels")
    camera_height: int | None = Field(None, ge=16, le=16384, description="Height asked of the camera, in pixels")
    camera_fps: float | None = Field(None, gt=0, le=1000, description="Frames per second asked of the camera")
    mirror: bool = Field(True, description="Show cameras left-right reversed, as a mirror does")
    loop: bool = Field(True, description="Start a video again after its last frame")
    check_certificates: bool = Field(
        True,
        description="Refuse a stream over TLS (https, rtsps, rtmps) whose certificate is not valid for its host, and "
        "playlists over https, whose addresses cannot be checked",
    )
    demo_speed: float = Field(1.0, gt=0, le=100, description="How fast the demo moves")
    fit: Literal["crop", "stretch"] = Field(
        "crop", description="Crop frames to the largest square, or stretch them to one"
    )


class WindowSettings(Section):
    """The window."""

    width: int | None = Field(
        None, ge=320, le=16384, description="Width when it opens, in pixels; null: fits the screen (headless: 1500)"
    )
    height: int | None = Field(
        None, ge=240, le=16384, description="Height when it opens, in pixels; null: fits the screen (headless: 930)"
    )
    scale: float | None = Field(None, ge=0.5, le=8, description="Size of text and lines; null: fits the window")
    title: str = Field(
        "Deep Visualization Toolbox", min_length=1, max_length=200, description="What its title bar says"
    )
    max_fps: float = Field(60.0, ge=1, le=1000, description="Pictures drawn per second, at most")
    drawing_share: float = Field(
        1.0, gt=0, le=1, description="Processor time for drawing, at most, where the network computes on all processors"
    )


class LookSettings(Section):
    """Colours, and sizes in pixels at scale 1."""

    font_path: str = Field("", description="A font file; empty: DejaVu Sans Condensed where OpenCV brings it")
    smooth: bool = Field(True, description="Interpolate enlarged maps; else every value stays a square")
    window: ChosenColour = Field((17, 19, 23), description="Background of the window")
    panel: ChosenColour = Field((25, 28, 33), description="Background of panes")
    line: ChosenColour = Field((44, 48, 56), description="Lines")
    text: ChosenColour = Field((226, 229, 233), description="Text")
    dim: ChosenColour = Field((138, 145, 156), description="Text of less weight")
    accent: ChosenColour = Field((255, 179, 38), description="What is selected")
    warning: ChosenColour = Field((255, 112, 96), description="What is wrong")
    zero: ChosenColour = Field((4, 5, 7), description="An activation of zero")
    full: ChosenColour = Field((255, 255, 255), description="The largest activation")
    below_zero: ChosenColour = Field((64, 132, 232), description="The most negative activation")
    negative: ChosenColour = Field((84, 148, 255), description="The most negative gradient")
    positive: ChosenColour = Field((255, 128, 44), description="The largest gradient")
    text_size: PixelSize = Field(14, description="Height of text")
    small_size: PixelSize = Field(12, description="Height of small text")
    large_size: PixelSize = Field(19, description="Height of large text")
    margin: PixelSize = Field(12, description="Around the window's panes")
    gap: PixelSize = Field(10, description="Between panes")
    caption: PixelSize = Field(26, description="Height of a pane's caption")
    row: PixelSize = Field(20, description="Height of one line of a list")
    status: PixelSize = Field(48, description="Height of the status line")
    tile_gap: PixelSize = Field(1.5, description="Between tiles")
    list_width: PixelSize = Field(224, description="Width of the layer list")
    unit_images_width: PixelSize = Field(280, description="Width of the unit images' pane")


class LiveSettings(Section):
    """What is shown when the window opens, and how."""

    goto: str | None = Field(None, description="Address of the unit to start at, such as conv5:151 or fc:ostrich")
    backward: Mode = Field("off", description="Backward mode at the start")
    backward_view: ChosenView = Field("contributions", description="How its result is shown")
    top_tiles: int = Field(24, ge=1, le=1000, description="How many tiles the key R shows")
    blur_radius: float = Field(4.0, gt=0, le=100, description="Gaussian blur of the view norm blurred, in input pixels")
    show_labels: bool = Field(True, description="Show class labels")
    show_unit_images: bool = Field(True, description="Show the selected unit's pictures")
    screenshots: str = Field("screenshots", min_length=1, description="Folder for screenshots")


class UnitImageSettings(Section):
    """The pictures of units on disk."""

    folder: str | None = Field(None, description="Where they are; null: where the model.yaml says")
    maxes: str | None = Field(
        None, description="The result of a scan (its --out): what it says of the units, and for top images made by g"
    )
    maxes_labels: str | None = Field(
        None, description="Names of the scan's classes, one a line; null: they are the network's"
    )
    cache_megabytes: int = Field(256, ge=1, le=1 << 20, description="Memory for pictures read ahead")


class WebSettings(Section):
    """The window in a browser (--web)."""

    viewers: int = Field(8, ge=1, le=100, description="How many may watch at once, each with a window of their own")
    watchers: int = Field(100, ge=1, le=1000, description="How many may watch one shared window (--shared)")
    max_fps: float = Field(30.0, ge=1, le=120, description="Pictures drawn per second, at most")
    jpeg_quality: int = Field(85, ge=30, le=100, description="Of the pictures that are sent")
    camera_width: int = Field(640, ge=64, le=1920, description="Width of the pictures that a viewer's camera sends")
    upload_megabytes: int = Field(200, ge=1, le=4096, description="The largest picture or video file of a viewer")


class LogSettings(Section):
    """What is written down while the program runs."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least important that is written"
    )
    file: str | None = Field(None, description="Also written to this file")


class Settings(Section):
    """All settings, checked; they do not change while the program runs."""

    model: str = Field(DEFAULT_MODEL, min_length=1, description="The network: a folder of models/, a model.yaml, …")
    engine: Engine = Field("torch", description="Who computes: PyTorch, or real Caffe")
    device: Device = Field("auto", description="What it computes on; auto: the GPU where there is one")
    sources: SourceSettings = SourceSettings.model_validate({})
    window: WindowSettings = WindowSettings.model_validate({})
    look: LookSettings = LookSettings.model_validate({})
    live: LiveSettings = LiveSettings.model_validate({})
    unit_images: UnitImageSettings = UnitImageSettings.model_validate({})
    web: WebSettings = WebSettings.model_validate({})
    log: LogSettings = LogSettings.model_validate({})
    _origins: dict[KeyPath, str] = PrivateAttr(default_factory=dict)

    def origin(self, key: str) -> str:
        """Return where the value of a dotted key came from: `built-in`, `settings_local.yaml:3`, `--set`, …"""
        return self._origins.get(tuple(key.split(".")), BUILT_IN)
