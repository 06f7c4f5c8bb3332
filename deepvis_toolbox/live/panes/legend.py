"""The scale of a pane's colours: what value each of them means, with the gamma that the tiles are drawn with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.levels import to_levels
from deepvis_toolbox.drawing.text import draw_text, text_width
from deepvis_toolbox.drawing.tiles import colourise
from deepvis_toolbox.live.panes.caption import caption_baseline
from deepvis_toolbox.live.panes.maps import ShownMaps
from deepvis_toolbox.live.panes.naming import WIDEST_NUMBER, number_text
from deepvis_toolbox.live.scene import Scene


def draw_legend(pixels: Pixels, maps: ShownMaps, left: int, right: int, scene: Scene) -> None:
    """Draw the scale in a pane's caption, at the right end of the columns `left` to `right`; nothing without room.

    Its columns do not move with the numbers. Where channels are boosted each on its own, one colour means many values:
    no numbers are written.
    """
    look, levels = scene.look, maps.levels
    length, space = look.px(90), look.px(7)
    number = text_width(WIDEST_NUMBER, look.small) + space
    start = right - 2 * number - length
    if start < left + look.px(16):
        return
    baseline = caption_baseline(look)
    _draw_scale(pixels, maps, start + number, length, baseline, scene)
    size = max(abs(levels.low), abs(levels.high))
    if scene.state.view.channel_boost or not size:
        return
    low, more = (-levels.full if levels.signed else 0.0), "+" if size > levels.full else ""  # more: some are larger
    draw_text(
        pixels,
        number_text(low) + (more if low else ""),
        start + number - space,
        baseline,
        look.small,
        look.dim,
        "right",
    )
    draw_text(pixels, number_text(levels.full) + more, right - number + space, baseline, look.small, look.dim)


def _draw_scale(pixels: Pixels, maps: ShownMaps, left: int, length: int, baseline: int, scene: Scene) -> None:
    height, gamma, signed = scene.look.small.capital_height, scene.state.view.gamma, maps.levels.signed
    place = pixels[baseline - height : baseline, left : left + length]
    shape = (place.shape[0], place.shape[1])
    colours = scene.kept.value("scale", (shape, gamma, signed), lambda: _ramp(shape, gamma, signed))
    colourise(place, colours, maps.palette)


def _ramp(shape: tuple[int, int], gamma: float, signed: bool) -> NDArray[np.uint8]:
    """Return palette indices (H, W) of the values from one end of the scale to the other, evenly spaced."""
    values = np.linspace(-1 if signed else 0, 1, shape[1], dtype=np.float32)
    return np.tile(to_levels(values[None, None, :], gamma, signed=signed).indices[0], (shape[0], 1))
