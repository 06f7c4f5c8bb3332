"""What panes share: the caption line above a pane's body, and the sentence in place of a missing picture."""

from __future__ import annotations

from typing import Any

from deepvis_toolbox.drawing.colours import Colour, Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.shapes import clear
from deepvis_toolbox.drawing.text import Elide, Font, draw_text, text_width, wrapped
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.measure.measurement import Question

COMPUTING = "computing …"


def waiting_for(state: State) -> str:
    """Return why there is no picture yet: the network, or what the source says about itself."""
    return state.facts.loading or state.facts.source_note or "waiting for the first picture …"


def missing_note(scene: Scene, question: Question[Any] | None = None) -> str:
    """Return why an answer is not there: nothing has come yet, it is being computed, the question has none, or
    something went wrong."""
    if scene.snapshot is None:
        return waiting_for(scene.state)
    if question is not None and question in scene.snapshot.refusals:
        return scene.snapshot.refusals[question]
    if scene.snapshot.error:
        return "nothing was computed: see the error"
    return scene.state.facts.loading or COMPUTING


def body_box(height: int, width: int, look: Look) -> Box:
    """Return the part of a pane of this size that lies below its caption."""
    return Box(min(look.px(look.caption), height), 0, height, width)


def body_of(pixels: Pixels, look: Look) -> Pixels:
    """Return the pane's pixels below its caption."""
    return pixels[body_box(pixels.shape[0], pixels.shape[1], look).top :]


def draw_caption(
    pixels: Pixels,
    look: Look,
    title: str,
    detail: str = "",
    detail_colour: Colour | None = None,
    active: bool = False,
    elide: Elide = "end",
) -> None:
    """Write the title at the left and the detail at the right, on one baseline.

    Where there is too little room, the title is cut as `elide` says, and the detail, mostly an address, at its start:
    the end is what tells units apart.
    """
    width = pixels.shape[1]
    baseline = caption_baseline(look)
    colour = look.accent if active else look.dim
    title_width = draw_text(pixels, title, 0, baseline, look.font, colour, width=width, elide=elide)
    room = _room_beside(title_width, width, look)
    if detail and room >= look.px(50):
        colour = detail_colour or look.dim
        draw_text(pixels, detail, width, baseline, look.small, colour, "right", room, elide="start")


def fits_beside(detail: str, title: str, width: int, look: Look) -> bool:
    """Return whether a detail is written whole beside a title in a caption `width` pixels wide."""
    return text_width(detail, look.small) <= _room_beside(text_width(title, look.font), width, look)


def _room_beside(title_width: int, width: int, look: Look) -> int:
    return width - title_width - look.px(10)


def with_rate(detail: str, scene: Scene, what: str = "") -> str:
    """Return a caption's detail with how often a second `what` is taken that is not taken of every frame."""
    rate = scene.snapshot.list_rate if scene.snapshot else 0.0
    return f"{detail} · {what}{max(rate, 0.1):.{0 if rate >= 1 else 1}f}/s" if rate > 0 else detail


def caption_baseline(look: Look) -> int:
    """Return where the caption's text stands."""
    return look.px(look.caption) - look.px(8)


def draw_note(pixels: Pixels, look: Look, text: str, colour: Colour | None = None, font: Font | None = None) -> None:
    """Write a sentence in the middle of the pane: why there is nothing to see."""
    font = font or look.font
    height, width = pixels.shape[:2]
    lines = wrapped(text, font, max(1, width - 2 * look.px(look.margin)), max(1, height // font.line_height))
    baseline = (height - (len(lines) - 1) * font.line_height + font.capital_height) // 2
    for number, line in enumerate(lines):
        draw_text(
            pixels, line, width // 2, baseline + number * font.line_height, font, colour or look.dim, align="centre"
        )


def draw_badge(
    pixels: Pixels, look: Look, text: str, in_the_middle: bool = False, colour: Colour | None = None
) -> None:
    """Write a short sentence on a dark ground, at the bottom left of a picture or in its middle."""
    pad = look.px(6)
    width = min(text_width(text, look.small) + 2 * pad, pixels.shape[1])
    left, bottom = pad, pixels.shape[0] - pad
    if in_the_middle:
        left, bottom = (pixels.shape[1] - width) // 2, (pixels.shape[0] + look.small.line_height) // 2
    ground = pixels[max(0, bottom - look.small.line_height) : bottom, left : left + width]
    clear(ground, look.window)
    draw_text(
        ground,
        text,
        pad,
        look.small.ascent + look.px(2),
        look.small,
        colour or look.text,
        width=max(0, width - 2 * pad),
    )
