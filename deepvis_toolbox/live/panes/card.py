"""A dark card above the other panes, on which overlays write."""

from __future__ import annotations

from deepvis_toolbox.drawing.colours import Colour, Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.shapes import clear, frame
from deepvis_toolbox.live.look import Look


def draw_card(pixels: Pixels, box: Box, look: Look, border: Colour | None = None) -> Pixels:
    """Paint a card at the box, cut to the pixels; return its inside."""
    inside = pixels[max(0, box.top) : max(0, box.bottom), max(0, box.left) : max(0, box.right)]
    clear(inside, look.panel)
    line = look.px(1)
    height, width = inside.shape[:2]
    frame(inside, Box(line, line, height - line, width - line), border or look.line, line)
    return inside
