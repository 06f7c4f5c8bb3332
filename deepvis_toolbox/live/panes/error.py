"""What went wrong, in the window: a thread that failed, a frame that could not be processed."""

from __future__ import annotations

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.text import draw_text, wrapped
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.card import draw_card
from deepvis_toolbox.live.panes.pane import Pane, Slot
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot


class ErrorPane(Pane):
    """A card at the top, in the middle, as high as the sentence needs."""

    name = "error"
    slot = Slot.OVERLAY

    def is_shown(self, state: State, snapshot: Snapshot | None) -> bool:
        """Return whether something is wrong."""
        return bool(_text(state, snapshot))

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the card."""
        _draw_card(pixels, _text(scene.state, scene.snapshot), scene.look)


def _draw_card(pixels: Pixels, text: str, look: Look) -> None:
    height, width = pixels.shape[:2]
    pad, line_height = look.px(18), look.font.line_height
    card_width = min(look.px(760), width - 2 * pad)
    room = max(1, card_width - 2 * pad)
    lines = wrapped(text, look.font, room, max(1, (height - 4 * pad) // line_height - 1))
    card_height = (len(lines) + 1) * line_height + 2 * pad
    left, top = (width - card_width) // 2, min(look.px(60), max(0, height - card_height))
    card = draw_card(pixels, Box(top, left, top + card_height, left + card_width), look, look.warning)
    baseline = pad + look.font.capital_height
    draw_text(card, "Something went wrong", pad, baseline, look.bold, look.warning, width=room)
    for number, line in enumerate(lines, 1):
        draw_text(card, line, pad, baseline + number * line_height, look.font, look.text)


def _text(state: State, snapshot: Snapshot | None) -> str:
    return state.facts.error or (snapshot.error if snapshot else "")
