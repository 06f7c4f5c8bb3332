"""The picture of a soak: memory, threads, descriptors and the time until a key is answered, over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from deepvis_toolbox.drawing.colours import Colour, Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.shapes import fill
from deepvis_toolbox.drawing.text import Font, draw_text

from .samples import Sample
from .trend import ALLOWED, trend_of

WIDTH, PANEL_HEIGHT = 1400, 250
LEFT, RIGHT, TOP, BOTTOM, HEAD = 110, 40, 56, 30, 84
"""Margins in pixels: of a panel, and above all."""
PAPER, INK, FAINT, GRID = (255, 255, 255), (30, 34, 40), (110, 118, 128), (226, 229, 233)
WARMING, LINE = (246, 246, 240), (200, 60, 30)
TITLE_FONT, LABEL_FONT, TICK_FONT = Font(24, bold=True), Font(18), Font(15)
LEGEND = "shaded: the first third, which the rule leaves out; red: the line fitted to the rest"
_SHIFT = 4
"""Bits of a pixel's fractions that OpenCV is given."""


class Panel(NamedTuple):
    """One value of the samples, and how it is written."""

    name: str
    title: str
    unit: str
    colour: Colour


PANELS = (
    Panel("memory", "memory of the program and its processes (proportional set size)", "MiB", (31, 104, 178)),
    Panel("threads", "threads", "", (34, 139, 84)),
    Panel("descriptors", "open descriptors", "", (128, 72, 160)),
    Panel("answer", "from a key to the screenshot that it asks for", "s", (176, 112, 12)),
)


def draw_chart(samples: Sequence[Sample], title: str) -> Pixels:
    """Return the picture, RGB. The first third, which the rule leaves out, is shaded; the line is the fitted one."""
    pixels = np.full((HEAD + len(PANELS) * PANEL_HEIGHT + 40, WIDTH, 3), 255, np.uint8)
    draw_text(pixels, title, LEFT, 40, TITLE_FONT, INK)
    draw_text(pixels, LEGEND, LEFT, 68, LABEL_FONT, FAINT)
    end = max(1.0, samples[-1].seconds)
    for row, panel in enumerate(PANELS):
        top = HEAD + row * PANEL_HEIGHT
        _draw_panel(pixels, Box(top + TOP, LEFT, top + PANEL_HEIGHT - BOTTOM, WIDTH - RIGHT), panel, samples, end)
    _, name = _time_unit(end)
    draw_text(pixels, f"time since the window was there, {name}", (LEFT + WIDTH - RIGHT) // 2,
              pixels.shape[0] - 16, LABEL_FONT, INK, "centre")  # fmt: skip
    return pixels


def save_chart(samples: Sequence[Sample], title: str, path: Path) -> None:
    """Draw it into a file."""
    cv2.imwrite(str(path), cv2.cvtColor(draw_chart(samples, title), cv2.COLOR_RGB2BGR))


def _draw_panel(pixels: Pixels, box: Box, panel: Panel, samples: Sequence[Sample], end: float) -> None:
    values = [getattr(sample, panel.name) for sample in samples]
    step = _round_step(max(*values, 1e-3) * 1.08 / 4)
    top = step * math.ceil(max(*values, 1e-3) * 1.05 / step)
    if panel.name in ALLOWED:
        warm = round(box.width * samples[len(samples) // 3].seconds / end)
        fill(pixels, box._replace(right=box.left + warm), WARMING)
    for tick in range(round(top / step) + 1):
        y = box.bottom - round(box.height * tick * step / top)
        fill(pixels, Box(y, box.left, y + 1, box.right), GRID)
        draw_text(pixels, f"{tick * step:g}", box.left - 10, y + 5, TICK_FONT, FAINT, "right")
    _draw_times(pixels, box, end)
    _draw_line(pixels, box, [sample.seconds / end for sample in samples], [value / top for value in values],
               panel.colour)  # fmt: skip
    remark = f"at most {max(values):.4g}"
    if panel.name in ALLOWED:
        trend = trend_of(samples, panel.name)
        _draw_line(pixels, box, [trend.start / end, trend.end / end], [trend.first / top, trend.last / top], LINE)
        remark += f"; {trend.last - trend.first:+.1f} along the line"
    unit = f", {panel.unit}" if panel.unit else ""
    draw_text(pixels, panel.title + unit, box.left, box.top - 12, LABEL_FONT, INK)
    draw_text(pixels, remark, box.right, box.top - 12, LABEL_FONT, FAINT, "right")


def _draw_times(pixels: Pixels, box: Box, end: float) -> None:
    seconds, _ = _time_unit(end)
    step = _round_step(end / seconds / 8)
    for tick in range(int(end / seconds / step) + 1):
        x = box.left + round(box.width * tick * step * seconds / end)
        fill(pixels, Box(box.top, x, box.bottom, x + 1), GRID)
        draw_text(pixels, f"{tick * step:g}", x, box.bottom + 20, TICK_FONT, FAINT, "centre")


def _draw_line(pixels: Pixels, box: Box, across: Sequence[float], up: Sequence[float], colour: Colour) -> None:
    """Draw a line through points that are given as shares of the box."""
    x = box.left + np.array(across) * (box.width - 1)
    y = box.bottom - np.array(up) * (box.height - 1)
    points = np.round(np.stack([x, y], axis=1) * (1 << _SHIFT)).astype(np.int32)
    cv2.polylines(pixels, [points[:, None]], False, colour, 2, cv2.LINE_AA, _SHIFT)


def _time_unit(end: float) -> tuple[float, str]:
    """Return the seconds of the unit that the time is written in, and its name."""
    return (3600, "hours") if end > 3 * 3600 else (60, "minutes") if end > 180 else (1, "seconds")


def _round_step(least: float) -> float:
    """Return the smallest of 1, 2, 5, 10, … (or 0.1, 0.2, …) that is no smaller."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
