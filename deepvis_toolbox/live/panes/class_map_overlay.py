"""The classes of a segmentation over the input picture, with a legend of those that are there."""

from __future__ import annotations

from deepvis_toolbox.drawing.class_colours import class_colour, paint_classes
from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.shapes import dim, fill
from deepvis_toolbox.drawing.text import draw_text, text_width
from deepvis_toolbox.live.panes.naming import given_name
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.measure import ClassesAtPlaces

LINES = 6
"""Classes that the legend names, at most."""
_HEIGHT_SHARE = 0.5
"""Of the picture, for the legend at most."""


def draw_class_map(place: Pixels, found: ClassesAtPlaces, scene: Scene) -> None:
    """Draw an answer over `place`, the pixels of the picture, uint8 (H, W, 3), and name the classes of most places."""
    look, count = scene.look, len(found.shares)
    paint_classes(place, found.map, count)
    line, pad = look.small.line_height, look.px(4)
    rows = max(1, min(LINES, int(_HEIGHT_SHARE * place.shape[0]) // line))
    shown = found.largest(rows)
    texts = [f"{_name(scene, found.layer, each)} {_share(float(found.shares[each]))}" for each in shown]
    width = max((text_width(text, look.small) for text in texts), default=0) + line + 2 * pad
    top = place.shape[0] - len(texts) * line - 2 * pad
    dim(place[max(top, 0) :, : min(width, place.shape[1])], 0.35)
    for number, (text, each) in enumerate(zip(texts, shown, strict=True)):
        start = top + pad + number * line
        square = Box(start + look.px(2), pad, start + line - look.px(2), pad + line - look.px(4))
        fill(place, square, class_colour(each, count))
        baseline = start + (line + look.small.capital_height) // 2
        draw_text(place, text, pad + line, baseline, look.small, look.text, width=max(0, place.shape[1] - line - pad))


def _share(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else "< 1 %"


def _name(scene: Scene, layer: str, unit: int) -> str:
    return given_name(scene.state, layer, unit) or f"class {unit}"
