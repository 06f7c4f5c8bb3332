"""A part of the screen: what another program shows is the network's picture."""

from __future__ import annotations

import os
import re
import sys
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import ImageGrab

from deepvis_toolbox.errors import ToolboxError, os_reason_of
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.pacing import Pacer
from deepvis_toolbox.sources.registry import register_source
from deepvis_toolbox.sources.source import Source
from deepvis_toolbox.words.inputs import INPUT_FORMS

RATE = 30.0
_REGION = re.compile(r"screen:(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})")


@register_source
class ScreenSource(Source):
    """The region's newest picture. On Linux it is read from the X server that `DISPLAY` names; Wayland lets nobody
    read."""

    form = "screen:X,Y,WIDTH,HEIGHT"
    meaning = INPUT_FORMS.meaning("screen:X,Y,WIDTH,HEIGHT")

    @classmethod
    def claims(cls, text: str) -> bool:
        return text == "screen" or text.startswith("screen:")

    @classmethod
    def open(cls, text: str, options: SourceOptions) -> Self:
        match = _REGION.fullmatch(text)
        if text != "screen" and not match:
            raise ToolboxError(
                f'"{text}": write screen:X,Y,WIDTH,HEIGHT in pixels, such as screen:0,0,640,480, or screen'
            )
        region = tuple(map(int, match.groups())) if match else None
        if region and 0 in region[2:]:
            raise ToolboxError(f'"{text}": the width and the height are at least 1')
        return cls(region, options)  # type: ignore[arg-type]

    def __init__(self, region: tuple[int, int, int, int] | None, options: SourceOptions) -> None:
        """Take the region as (left, top, width, height) in pixels; None: the whole screen."""
        self.name, self.rate = "screen", RATE
        left, top, width, height = region or (0, 0, 0, 0)
        self._box = (left, top, left + width, top + height) if region else None
        self._pacer = Pacer(RATE) if options.realtime else None
        self._number = 0
        screen = _grabbed(None)
        if self._box and (self._box[2] > screen.shape[1] or self._box[3] > screen.shape[0]):
            size = f"{screen.shape[1]}×{screen.shape[0]}"
            raise ToolboxError(f"the screen has {size} pixels; a region of {width}×{height} at {left},{top} leaves it")

    def read(self) -> SourceFrame | None:
        if self._pacer is not None:
            self._pacer.wait()
        try:
            image = _grabbed(self._box)
        except ToolboxError as error:
            self.note, self.gone = str(error), True
            return None
        self.note, self.gone = "", False
        frame = SourceFrame(image, FrameInfo(self.name, self._number))
        self._number += 1
        return frame

    def interrupt(self) -> None:
        if self._pacer is not None:
            self._pacer.interrupt()


def _grabbed(box: tuple[int, int, int, int] | None) -> NDArray[np.uint8]:
    """Return the part of the screen in `box`, (left, top, right, bottom), as RGB uint8 H×W×3."""
    display = None
    if sys.platform.startswith("linux"):  # asked for by its name: else Pillow starts other programs
        display = os.environ.get("DISPLAY")
        if not display:
            raise ToolboxError("the input screen needs an X server, and DISPLAY names none")
    try:
        return np.array(ImageGrab.grab(box, xdisplay=display).convert("RGB"))
    except OSError as error:
        where = f"the X server {display}" if display else "the screen"
        raise ToolboxError(f"{where} cannot be read: {os_reason_of(error)}") from error
