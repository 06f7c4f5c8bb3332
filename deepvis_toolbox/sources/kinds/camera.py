"""A camera of this machine."""

from __future__ import annotations

import re
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Self

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources.capture import open_camera
from deepvis_toolbox.sources.listing import natural_order
from deepvis_toolbox.sources.live_source import LiveSource
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.registry import register_source
from deepvis_toolbox.words.inputs import INPUT_FORMS

_PROBE_SECONDS = 3.0


@register_source
class CameraSource(LiveSource):
    """The camera's newest picture, as in a mirror; picked up again after it was unplugged."""

    form = "camera:0"
    meaning = INPUT_FORMS.meaning("camera:0")

    @classmethod
    def claims(cls, text: str) -> bool:
        return text == "camera" or text.startswith("camera:")

    @classmethod
    def open(cls, text: str, options: SourceOptions) -> Self:
        device = _device(text)
        size = (options.camera_width, options.camera_height, options.camera_fps)
        source = cls(f"camera {device}", partial(open_camera, device, *size), options, mirror=options.mirror)
        if not source.is_open:
            raise ToolboxError(
                f"camera {device} does not open: is it used by another program? {_cameras_here()};"
                ' the input "demo" needs no camera'
            )
        return source


def first_camera() -> int | None:
    """Return the number of the first camera that opens, or None; quick and quiet where there is none."""
    found: list[int] = []
    # In a thread of its own, as a driver may take its time; what is not found in time counts as not there.
    prober = threading.Thread(target=lambda: found.extend(_opening_cameras()), name="look for a camera", daemon=True)
    prober.start()
    prober.join(_PROBE_SECONDS)
    return found[0] if found else None


def _opening_cameras() -> list[int]:
    for number in _numbers_here():
        capture = open_camera(number, None, None, None)
        if capture is not None:
            capture.release()
            return [number]
    return []


def _numbers_here() -> list[int]:
    """Return the camera numbers worth a try; on Linux without asking any driver."""
    if sys.platform != "linux":
        return [0]
    return [int(path.name.removeprefix("video")) for path in _devices() if path.name.removeprefix("video").isdecimal()]


def _devices() -> list[Path]:
    return sorted(Path("/dev").glob("video*"), key=lambda path: natural_order(path.name))


def _cameras_here() -> str:
    if sys.platform != "linux":
        return "try another number"
    names = ", ".join(str(path) for path in _devices())
    return f"this machine has {names}" if names else "this machine has none (no /dev/video*)"


def _device(text: str) -> int | str:
    wanted = text.removeprefix("camera").removeprefix(":")
    if re.fullmatch(r"[0-9]{1,4}", wanted or "0"):
        return int(wanted or "0")
    if not wanted.startswith("/"):
        raise ToolboxError(f'"{text}": write camera:0, with the camera\'s number, or camera:/dev/video0, with its path')
    if not Path(wanted).exists():
        raise ToolboxError(f"there is no {wanted}: {_cameras_here()}")
    return wanted
