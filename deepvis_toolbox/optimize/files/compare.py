"""The paper's Figure 4: one unit's pictures under several sets of parameters, 3×3 panels side by side."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from deepvis_toolbox.drawing.text import Font, draw_text
from deepvis_toolbox.unit_images.montage import in_square, montage3x3, scaled_to
from deepvis_toolbox.words.images import RGBImage

GAP = 8
TITLE_HEIGHT = 22
_TITLE_FONT = Font(14)
SMALLEST_PANEL = 180
"""Panels of small pictures are enlarged, so that their titles can be read."""


def comparison(panels: Sequence[tuple[str, Sequence[RGBImage]]]) -> RGBImage:
    """Return one picture of panels, each a title and up to nine pictures, row by row in a square: four as 2×2.

    All pictures are RGB uint8 (H, W, 3).
    """
    drawn = [_panel(title, pictures) for title, pictures in panels]
    side_by_side = in_square(drawn, GAP, 255)
    return np.pad(side_by_side, ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=255)


def _panel(title: str, pictures: Sequence[RGBImage]) -> RGBImage:
    montage = montage3x3(pictures)
    times = max(1, ceil(SMALLEST_PANEL / montage.shape[1]))
    montage = scaled_to(montage, montage.shape[0] * times, montage.shape[1] * times)
    header = np.full((TITLE_HEIGHT, montage.shape[1], 3), 255, np.uint8)
    draw_text(header, title, 2, TITLE_HEIGHT - 7, _TITLE_FONT, (0, 0, 0), width=montage.shape[1] - 4)
    return np.concatenate([header, montage])
