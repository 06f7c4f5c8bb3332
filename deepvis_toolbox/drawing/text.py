"""Anti-aliased lines of text, rendered once and kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from deepvis_toolbox.drawing.colours import Colour, Pixels
from deepvis_toolbox.errors import ToolboxError, reason_of
from deepvis_toolbox.regular_file import open_regular
from deepvis_toolbox.shown_text import shown

Align = Literal["left", "centre", "right"]
Elide = Literal["end", "start"]
"""Which end of a line that is too long an ellipsis stands for."""

ELLIPSIS = "…"
_LONGEST = 400
"""Characters of a line that are looked at: no window shows more."""


@dataclass(frozen=True)
class Font:
    """A font at a size in pixels."""

    size: int
    bold: bool = False
    path: str = ""
    """A font file; empty: DejaVu Sans Condensed as OpenCV's Linux packages ship it, else Pillow's own font."""

    @property
    def ascent(self) -> int:
        """Pixels from the baseline up to the top of the line."""
        return _metrics(self)[0]

    @property
    def capital_height(self) -> int:
        """Pixels from the baseline up to the top of a capital letter."""
        return _metrics(self)[1]

    @property
    def line_height(self) -> int:
        """Pixels from one baseline to the next, comfortably."""
        return round(self.size * 1.5)


class _Line(NamedTuple):
    """A rendered line: `cover` of the colour, `keep` of what is below, both uint16 out of 256; (H, W, 3)."""

    cover: NDArray[np.uint16]
    keep: NDArray[np.uint16]


def draw_text(
    pixels: Pixels,
    text: str,
    x: int,
    baseline: int,
    font: Font,
    colour: Colour,
    align: Align = "left",
    width: int | None = None,
    elide: Elide = "end",
) -> int:
    """Paint one line over `pixels`, uint8 (H, W, 3); return its width in pixels.

    `x` is its left edge, its centre or its right edge, as `align` says. A line that is longer than `width` ends in an
    ellipsis, or begins with one, as `elide` says. What lies outside the pixels is cut off.
    """
    if width is not None:
        text = fitted(text, font, width, elide)
    if not text:
        return 0
    line = _rendered(text, font, colour)
    height, length = line.cover.shape[:2]
    left = x - (length // 2 if align == "centre" else length if align == "right" else 0)
    top = baseline - font.ascent
    first_row, first_column = max(0, -top), max(0, -left)
    place = pixels[top + first_row : top + height, left + first_column : left + length] if left + length > 0 else None
    if place is None or top + height <= 0 or not place.size:
        return length
    part = np.s_[first_row : first_row + place.shape[0], first_column : first_column + place.shape[1]]
    place[...] = (place * line.keep[part] + line.cover[part]) >> 8
    return length


@lru_cache(maxsize=4096)
def text_width(text: str, font: Font) -> int:
    """Return the line's width in pixels."""
    return math.ceil(_loaded(font).getlength(_shown(text)))


@lru_cache(maxsize=2048)
def fitted(text: str, font: Font, width: int, elide: Elide = "end") -> str:
    """Return the text; where it is wider than `width` pixels, cut, with an ellipsis in place of one end.

    Empty where nothing fits. The end of an address matters more than its start: `elide="start"`.
    """
    if len(text) <= _LONGEST and text_width(text, font) <= width:
        return text
    if elide == "start":
        kept = _most(min(len(text), _LONGEST - 1), lambda count: ELLIPSIS + text[-count:].lstrip(" ."), font, width)
        return ELLIPSIS + text[-kept:].lstrip(" .") if kept else ""
    kept = _most(min(len(text), _LONGEST), lambda count: text[:count].rstrip() + ELLIPSIS, font, width)
    return text[:kept].rstrip() + ELLIPSIS if kept else ""


def _most(high: int, of_length: Callable[[int], str], font: Font, width: int) -> int:
    """Return the largest number up to `high` whose text is no wider than `width`; 0 where none is."""
    low = 0
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(of_length(middle), font) <= width:
            low = middle
        else:
            high = middle - 1
    return low


@lru_cache(maxsize=256)
def wrapped(text: str, font: Font, width: int, most: int = 12) -> tuple[str, ...]:
    """Return the text in at most `most` lines no wider than `width` pixels; cut text ends in an ellipsis.

    A word that is wider than a line goes on in the next.
    """
    lines: list[str] = []
    for paragraph in text[: _LONGEST * most].splitlines():
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}" if line else word
            if line and text_width(longer, font) > width:
                lines.append(line)
                line = word
            else:
                line = longer
            *full, line = _pieces(line, font, width)
            lines += full
        lines.append(line)
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1]} {ELLIPSIS}"]
    return tuple(fitted(line, font, width) for line in lines)


def _pieces(line: str, font: Font, width: int) -> list[str]:
    """Return the line in pieces no wider than `width` pixels, cut behind a dot, a slash or the like where there is
    one."""
    pieces = []
    while len(line) > 1 and text_width(line, font) > width:
        kept = _beginning(line, font, width)
        separator = max(line.rfind(mark, 0, kept) for mark in "./_-=,") + 1
        kept = separator if separator > kept // 2 else kept
        pieces.append(line[:kept])
        line = line[kept:]
    return [*pieces, line]


def _beginning(line: str, font: Font, width: int) -> int:
    """Return how many letters of the line, one at least, are no wider than `width`."""
    return max(1, _most(min(len(line) - 1, _LONGEST), lambda count: line[:count], font, width))


@lru_cache(maxsize=1024)
def _rendered(text: str, font: Font, colour: Colour) -> _Line:
    ascent, _, descent = _metrics(font)
    image = Image.new("L", (text_width(text, font) + 1, ascent + descent))
    ImageDraw.Draw(image).text((0, ascent), _shown(text), font=_loaded(font), fill=255, anchor="ls")
    alpha = np.asarray(image, np.uint16)
    alpha = (alpha + (alpha >> 7))[:, :, None]
    return _Line(alpha * np.array(colour, np.uint16), np.repeat(256 - alpha, 3, axis=2))


def _shown(text: str) -> str:
    return shown(text[:_LONGEST])


@lru_cache(maxsize=64)
def _metrics(font: Font) -> tuple[int, int, int]:
    """Return ascent, capital height, descent."""
    loaded = _loaded(font)
    top = loaded.getbbox("H", anchor="ls")[1]
    letters = loaded.getbbox("ÅÖgjpqy|", anchor="ls")
    return math.ceil(-letters[1]) + 1, math.ceil(-top), math.ceil(letters[3]) + 1


@lru_cache(maxsize=64)
def _loaded(font: Font) -> ImageFont.FreeTypeFont:
    path = font.path or _shipped(font.bold)
    if not path:
        default = ImageFont.load_default(font.size)
        if not isinstance(default, ImageFont.FreeTypeFont):
            raise ToolboxError("Pillow was built without FreeType and cannot draw text; install it with pip")
        return default
    try:  # the basic layout gives the same picture on every machine, whatever libraries Pillow finds
        open_regular(path).close()  # a pipe would be waited for, and read to its end
        return ImageFont.truetype(path, font.size, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise ToolboxError(
            f'cannot read the font "{path}" ({reason_of(error)}); give the path of a .ttf or .otf file'
        ) from error


def _shipped(bold: bool) -> str:
    """Return the font file of OpenCV's Linux packages; empty where there is none."""
    path = Path(cv2.__file__).parent / "qt" / "fonts" / f"DejaVuSansCondensed{'-Bold' if bold else ''}.ttf"
    return str(path) if path.is_file() else ""
