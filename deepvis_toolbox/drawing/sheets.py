"""Sheets for print: pictures in labelled rows and columns on white, parts below each other, a caption beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np

from deepvis_toolbox.drawing.colours import Colour, Pixels
from deepvis_toolbox.drawing.text import Font, draw_text, fitted, text_width, wrapped
from deepvis_toolbox.errors import ToolboxError

PAPER: Colour = (255, 255, 255)
INK: Colour = (25, 25, 25)
FAINT: Colour = (120, 120, 120)
EMPTY: Colour = (232, 232, 232)
FRAME: Colour = (200, 200, 200)
NEARLY_WHITE = 240
LABEL = Font(14)
SMALL = Font(12)
HEADING = Font(17, bold=True)
CAPTION = Font(14)
MARGIN = 20
GAP = 4
MOST_LINES = 40
MOST_PIXELS = 80_000_000


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet, RGB uint8 (H, W, 3); None: its place says `missing`. `label`: the lines below it."""

    picture: Pixels | None
    label: str = ""
    missing: str = "no direction found"


def grid_sheet(
    rows: Sequence[Sequence[Tile]],
    size: int,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    gap: int = GAP,
) -> Pixels:
    """Return tiles in rows and columns as RGB uint8 (H, W, 3), each picture as large as fits `size`×`size` pixels.

    Row labels stand to the left, column labels above, a tile's own label below it.
    """
    left = _label_width(row_labels) + (10 if row_labels else 0)
    top = (LABEL.line_height + 4) * max((label.count("\n") + 1 for label in column_labels), default=0)
    tops = np.cumsum([top, *(size + _label_height(row, size) + gap for row in rows)]).tolist()
    width = size + gap
    columns = max(map(len, rows), default=0)
    sheet = blank(tops[-1] - gap, left + width * columns - gap)
    for number, label in enumerate(column_labels):
        for line, text in enumerate(label.split("\n")):
            baseline = LABEL.capital_height + 4 + line * (LABEL.line_height + 2)
            shown = fitted(text, LABEL, size)
            draw_text(sheet, shown, left + number * width + size // 2, baseline, LABEL, INK, "centre")
    for row, tiles in enumerate(rows):
        if row < len(row_labels):
            _row_label(sheet, row_labels[row], left - 10, tops[row], size)
        for column, tile in enumerate(tiles):
            _paint_tile(sheet, tile, tops[row], left + column * width, size)
    return sheet


def blank(height: int, width: int) -> Pixels:
    """Return white paper, RGB uint8 (height, width, 3). `ToolboxError` where it would be too large to be looked at."""
    if height * width > MOST_PIXELS:
        raise ToolboxError(f"a sheet of {width}×{height} pixels is too large; make fewer pictures")
    return np.full((max(1, height), max(1, width), 3), 255, np.uint8)


def stacked(parts: Sequence[Pixels], gap: int = MARGIN, centred: bool = False) -> Pixels:
    """Return parts, RGB uint8 (H, W, 3) each, below each other on white, left aligned or centred."""
    width = max(part.shape[1] for part in parts)
    sheet = blank(sum(part.shape[0] for part in parts) + gap * (len(parts) - 1), width)
    top = 0
    for part in parts:
        left = (width - part.shape[1]) // 2 if centred else 0
        sheet[top : top + part.shape[0], left : left + part.shape[1]] = part
        top += part.shape[0] + gap
    return sheet


def beside(parts: Sequence[Pixels], gap: int = MARGIN) -> Pixels:
    """Return parts, RGB uint8 (H, W, 3) each, side by side on white, aligned at the top."""
    sheet = blank(max(part.shape[0] for part in parts), sum(part.shape[1] for part in parts) + gap * (len(parts) - 1))
    left = 0
    for part in parts:
        sheet[: part.shape[0], left : left + part.shape[1]] = part
        left += part.shape[1] + gap
    return sheet


def headed(heading: str, part: Pixels, font: Font = HEADING) -> Pixels:
    """Return a part, RGB uint8 (H, W, 3), under a line of heading."""
    width = max(part.shape[1], text_width(heading, font) + 2)
    line = blank(font.line_height, width)
    draw_text(line, heading, 0, font.capital_height + 2, font, INK)
    return stacked([line, part], 4)


def captioned(part: Pixels, title: str, caption: str, least: int = 700) -> Pixels:
    """Return a figure with its caption printed below, margins around: RGB uint8 (H, W, 3), `least` pixels wide inside
    at least. A paragraph of the caption is a line of the text."""
    width = max(part.shape[1], least)
    bold = Font(CAPTION.size, bold=True)
    lines = [(line, bold) for line in wrapped(title, bold, width)]
    lines += [
        (line, CAPTION) for text in caption.split("\n") for line in wrapped(text, CAPTION, width, most=MOST_LINES)
    ]
    below = blank(len(lines) * (CAPTION.line_height - 1) + 4, width)
    for number, (line, font) in enumerate(lines):
        draw_text(below, line, 0, CAPTION.ascent + number * (CAPTION.line_height - 1), font, INK)
    inner = blank(part.shape[0], width)
    left = (width - part.shape[1]) // 2
    inner[:, left : left + part.shape[1]] = part
    whole = stacked([inner, below], 16)
    return cast(Pixels, np.pad(whole, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), constant_values=255))


def _label_height(row: Sequence[Tile], size: int) -> int:
    labels = [tile.label for tile in row if tile.label]
    lines = max((sum(len(wrapped(text, SMALL, size)) for text in label.split("\n")) for label in labels), default=0)
    return lines * SMALL.line_height + (4 if lines else 0)


def _label_width(labels: Sequence[str]) -> int:
    return max((text_width(line, LABEL) + 2 for label in labels for line in label.split("\n")), default=0)


def _row_label(sheet: Pixels, label: str, right: int, top: int, size: int) -> None:
    lines = label.split("\n")
    middle = top + size // 2 - (len(lines) - 1) * LABEL.line_height // 2 + LABEL.capital_height // 2
    for number, line in enumerate(lines):
        draw_text(sheet, line, right, middle + number * LABEL.line_height, LABEL, INK, "right")


def _paint_tile(sheet: Pixels, tile: Tile, top: int, left: int, size: int) -> None:
    if tile.picture is None:
        sheet[top : top + size, left : left + size] = EMPTY
        lines = wrapped(tile.missing, SMALL, size - 6)
        first = top + size // 2 - (len(lines) - 1) * SMALL.line_height // 2 + SMALL.capital_height // 2
        for number, line in enumerate(lines):
            draw_text(sheet, line, left + size // 2, first + number * SMALL.line_height, SMALL, FAINT, "centre")
    else:
        drawn = _told_from_paper(scaled(tile.picture, size))
        height, width = drawn.shape[:2]
        down, across = top + (size - height) // 2, left + (size - width) // 2
        sheet[down : down + height, across : across + width] = drawn
    baseline = top + size + 2 + SMALL.ascent
    for line in (line for text in tile.label.split("\n") if text for line in wrapped(text, SMALL, size)):
        draw_text(sheet, line, left + size // 2, baseline, SMALL, INK, "centre")
        baseline += SMALL.line_height


def _told_from_paper(picture: Pixels) -> Pixels:
    """Return a picture that is white to its edge within a thin frame, any other as it is."""
    edges = (picture[0], picture[-1], picture[:, 0], picture[:, -1])
    if min(int(edge.min()) for edge in edges) < NEARLY_WHITE:
        return picture
    framed = picture.copy()
    for edge in (framed[0], framed[-1], framed[:, 0], framed[:, -1]):
        edge[...] = FRAME
    return framed


def scaled(picture: Pixels, size: int) -> Pixels:
    """Return a picture, RGB uint8 (H, W, 3), at the largest size that fits `size`×`size`; small ones in squares."""
    height, width = picture.shape[:2]
    if max(height, width) == size:
        return picture
    shape = (max(1, round(width * size / max(height, width))), max(1, round(height * size / max(height, width))))
    method = cv2.INTER_NEAREST if max(height, width) * 4 <= size else cv2.INTER_CUBIC
    how = cv2.INTER_AREA if max(height, width) > size else method
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), shape, interpolation=how), np.uint8)
