"""The paper's Figure 4: one unit's pictures under several sets of parameters, 3×3 panels side by side."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import numpy as np

from deepvis_toolbox.drawing.text import Font, draw_text
from deepvis_toolbox.unit_images.montage import in_square, montage3x3, scaled_to
from deepvis_toolbox.words.images import RGBImage

GAP = 8
TITLE_HEIGHT = 22
NOTE_HEIGHT = 16
_TITLE_FONT = Font(14)
_NOTE_FONT = Font(11)
_NOTE_COLOUR = (90, 90, 90)
SMALLEST_PANEL = 180
"""Panels of small pictures are enlarged, so that their titles can be read."""


class Panel(NamedTuple):
    """One way of making pictures."""

    title: str
    pictures: Sequence[RGBImage]
    """Up to nine, RGB uint8 (H, W, 3)."""
    notes: Sequence[str] = ()
    """What is said of them, a line each."""


def comparison(panels: Sequence[Panel]) -> RGBImage:
    """Return one picture of panels, RGB uint8 (H, W, 3), row by row in a square: four as 2×2."""
    lines = max(len(panel.notes) for panel in panels)
    side_by_side = in_square([_drawn(panel, lines) for panel in panels], GAP, 255)
    return np.pad(side_by_side, ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=255)


def _drawn(panel: Panel, lines: int) -> RGBImage:
    montage = montage3x3(panel.pictures)
    times = max(1, ceil(SMALLEST_PANEL / montage.shape[1]))
    montage = scaled_to(montage, montage.shape[0] * times, montage.shape[1] * times)
    header = np.full((TITLE_HEIGHT + lines * NOTE_HEIGHT, montage.shape[1], 3), 255, np.uint8)
    width = montage.shape[1] - 4
    draw_text(header, panel.title, 2, TITLE_HEIGHT - 7, _TITLE_FONT, (0, 0, 0), width=width)
    for number, note in enumerate(panel.notes):
        baseline = TITLE_HEIGHT + (number + 1) * NOTE_HEIGHT - 7
        draw_text(header, note, 2, baseline, _NOTE_FONT, _NOTE_COLOUR, width=width)
    return np.concatenate([header, montage])
