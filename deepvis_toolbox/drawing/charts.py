"""Charts for print: lines and points over two axes with ticks and names, on white."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

import cv2
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.drawing.colours import Colour, Pixels
from deepvis_toolbox.drawing.sheets import FAINT, HEADING, INK, LABEL, SMALL, blank
from deepvis_toolbox.drawing.text import draw_text, fitted, text_width

COLOURS: tuple[Colour, ...] = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (86, 86, 86), (230, 159, 0))
"""Okabe and Ito's, which people tell apart whatever colours they see."""
GRID: Colour = (228, 228, 228)
LEFT, TOP, RIGHT = 70, 34, 16
_FINE = 16
"""OpenCV's fractional bits: points lie between pixels."""


@dataclass(frozen=True)
class Series:
    """Points (N,) and their name in the legend; `joined` by a line, or each for itself."""

    x: NDArray[np.floating]
    y: NDArray[np.floating]
    name: str = ""
    joined: bool = True


@dataclass(frozen=True)
class Axis:
    """One axis. `names`: what stands at 0, 1, 2, … in place of numbers. `low`, `high`: its ends; None: the values'."""

    title: str
    is_log: bool = False
    names: Sequence[str] = ()
    low: float | None = None
    high: float | None = None


def chart(title: str, series: Sequence[Series], across: Axis, up: Axis, size: tuple[int, int] = (380, 560)) -> Pixels:
    """Return a chart, RGB uint8 (height, width, 3) of `size`. Points that are not finite, or that a logarithmic axis
    has no place for, are left out."""
    height, width = size
    named = max((text_width(name, SMALL) for name in across.names), default=0)
    bottom = (min(named, 110) + 10 if across.names else SMALL.line_height) + LABEL.line_height + 8
    sheet = blank(height, width)
    draw_text(sheet, fitted(title, HEADING, width - LEFT), LEFT, HEADING.ascent, HEADING, INK)
    top = TOP + (SMALL.line_height if _legend_names(series) else 0)
    plot = _Plot(sheet, (top, LEFT, height - bottom, width - RIGHT), _Scale.of(across, series, "x"),
                 _Scale.of(up, series, "y"))  # fmt: skip
    plot.axes(across, up)
    for number, each in enumerate(series):
        plot.draw(each, COLOURS[number % len(COLOURS)])
    plot.legend(series)
    return sheet


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    is_log: bool

    @classmethod
    def of(cls, axis: Axis, series: Sequence[Series], which: str) -> _Scale:
        values = np.concatenate(
            [np.zeros(0), *(np.asarray(getattr(each, which), np.float64).ravel() for each in series)]
        )
        values = values[np.isfinite(values) & ((values > 0) | (not axis.is_log))]
        low = float(values.min()) if values.size else (1.0 if axis.is_log else 0.0)
        high = float(values.max()) if values.size else 1.0
        if axis.names:
            low, high = -0.5, len(axis.names) - 0.5
        low, high = (low if axis.low is None else axis.low), (high if axis.high is None else axis.high)
        if high <= low:
            low, high = (low / 2, low * 2) if axis.is_log and low > 0 else (low - 0.5, low + 0.5)
        if axis.is_log:
            room = 0 if axis.names or axis.high is not None else (log10(high) - log10(low)) * 0.03
            return cls(log10(low) - (room if axis.low is None else 0), log10(high) + room, True)
        room = 0 if axis.names else (high - low) * 0.05
        bottom = low if axis.low is not None else low - room if low < 0 else max(0.0, low - room)
        return cls(bottom, high + (0 if axis.high is not None else room), False)

    def share(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return where values (N,) lie, 0 to 1; NaN where nowhere."""
        numbers = np.asarray(values, np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            placed = np.where(numbers > 0, np.log10(numbers), np.nan) if self.is_log else numbers
        return np.where(np.isfinite(placed), (placed - self.low) / (self.high - self.low), np.nan)

    def ticks(self) -> list[tuple[float, str]]:
        """Return round numbers on the axis, with what is written there."""
        if self.is_log:
            step = max(1, ceil((self.high - self.low) / 6))
            powers = [10.0**power for power in range(ceil(self.low - 1e-9), floor(self.high + 1e-9) + 1, step)]
            if len(powers) < 3:
                powers = [factor * 10.0**power for power in range(floor(self.low), ceil(self.high) + 1)
                          for factor in (1, 2, 5) if self.low <= log10(factor * 10.0**power) <= self.high]  # fmt: skip
            return [(power, f"{power:g}") for power in powers]
        rough = (self.high - self.low) / 5
        unit = 10.0 ** floor(log10(rough))
        pace = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.9)
        first = ceil(self.low / pace - 1e-9)
        return [(index * pace, f"{index * pace:g}") for index in range(first, floor(self.high / pace + 1e-9) + 1)]


class _Plot:
    def __init__(self, sheet: Pixels, box: tuple[int, int, int, int], across: _Scale, up: _Scale) -> None:
        self._sheet, self._across, self._up = sheet, across, up
        self._top, self._left, self._bottom, self._right = box

    def _place(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.float64]:
        right = self._left + self._across.share(x) * (self._right - self._left)
        down = self._bottom - self._up.share(y) * (self._bottom - self._top)
        points = np.stack([right, down], axis=1)
        return points[np.isfinite(points).all(1)].clip(-2000, 20000)

    def axes(self, across: Axis, up: Axis) -> None:
        for value, text in self._up.ticks():
            row = round(self._bottom - float(self._up.share(np.array([value]))[0]) * (self._bottom - self._top))
            cv2.line(self._sheet, (self._left, row), (self._right, row), GRID, 1)
            draw_text(self._sheet, text, self._left - 6, row + SMALL.capital_height // 2, SMALL, INK, "right")
        for value, text in self._named(across) if across.names else self._across.ticks():
            column = round(self._left + float(self._across.share(np.array([value]))[0]) * (self._right - self._left))
            cv2.line(self._sheet, (column, self._top), (column, self._bottom), GRID, 1)
            if across.names:
                self._upright(text, column)
            else:
                draw_text(self._sheet, text, column, self._bottom + 2 + SMALL.ascent, SMALL, INK, "centre")
        cv2.rectangle(self._sheet, (self._left, self._top), (self._right, self._bottom), FAINT, 1)
        middle = (self._left + self._right) // 2
        draw_text(self._sheet, across.title, middle, self._sheet.shape[0] - 6, LABEL, INK, "centre")
        self._beside(up.title)

    def _named(self, axis: Axis) -> list[tuple[float, str]]:
        room = max(1, (self._right - self._left) // SMALL.line_height)
        every = ceil(len(axis.names) / room)
        return [(float(index), name) for index, name in enumerate(axis.names) if index % every == 0]

    def _upright(self, text: str, column: int) -> None:
        shown = fitted(text, SMALL, 110, "start")
        label = blank(SMALL.line_height, text_width(shown, SMALL) + 2)
        draw_text(label, shown, 0, SMALL.ascent, SMALL, INK)
        turned = np.rot90(label)
        left = max(0, column - turned.shape[1] // 2)
        place = self._sheet[self._bottom + 5 : self._bottom + 5 + turned.shape[0], left : left + turned.shape[1]]
        place[...] = np.minimum(place, turned[: place.shape[0], : place.shape[1]])

    def _beside(self, title: str) -> None:
        shown = fitted(title, LABEL, self._sheet.shape[0])
        label = blank(LABEL.line_height, text_width(shown, LABEL) + 2)
        draw_text(label, shown, 0, LABEL.ascent, LABEL, INK)
        turned = np.rot90(label)
        top = max(0, (self._top + self._bottom - turned.shape[0]) // 2)
        place = self._sheet[top : top + turned.shape[0], : turned.shape[1]]
        place[...] = turned[: place.shape[0]]

    def draw(self, series: Series, colour: Colour) -> None:
        inside = np.ascontiguousarray(self._sheet[self._top : self._bottom + 1, self._left : self._right + 1])
        points = self._place(series.x, series.y) - (self._left, self._top)
        fine = np.rint(points * _FINE).astype(np.int32)
        if series.joined and len(fine) > 1:
            cv2.polylines(inside, [fine[:, None]], False, colour, 2, cv2.LINE_AA, shift=4)
        if not series.joined or len(fine) <= 40:
            for x, y in fine:
                cv2.circle(inside, (int(x), int(y)), 3 * _FINE, colour, cv2.FILLED, cv2.LINE_AA, shift=4)
        self._sheet[self._top : self._bottom + 1, self._left : self._right + 1] = inside

    def legend(self, series: Sequence[Series]) -> None:
        left, middle = self._left, self._top - SMALL.line_height // 2 - 1
        for number, name in _legend_names(series):
            cv2.line(self._sheet, (left, middle), (left + 16, middle), COLOURS[number % len(COLOURS)], 3, cv2.LINE_AA)
            drawn = draw_text(self._sheet, name, left + 22, middle + SMALL.capital_height // 2, SMALL, INK)
            left += drawn + 42


def _legend_names(series: Sequence[Series]) -> list[tuple[int, str]]:
    """Return the numbers and names of series that a legend tells apart; one alone needs none."""
    named = [(number, each.name) for number, each in enumerate(series) if each.name]
    return named if len(named) > 1 else []
