"""What the last key did, or why it did nothing: one sentence above the status line."""

from __future__ import annotations

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.text import draw_text, fitted, text_width
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.card import draw_card
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot


def is_shown(state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG001
    return bool(state.message)


def draw(pixels: Pixels, state: State, snapshot: Snapshot | None, look: Look) -> None:  # noqa: ARG001
    """A card at the bottom, in the middle."""
    height, width = pixels.shape[:2]
    pad = look.px(14)
    text = fitted(state.message, look.font, max(0, width - 6 * pad))
    card_width = text_width(text, look.font) + 2 * pad
    left, bottom = (width - card_width) // 2, height - look.px(14)
    card = draw_card(pixels, Box(bottom - look.px(34), left, bottom, left + card_width), look)
    baseline = (card.shape[0] + look.font.capital_height) // 2
    draw_text(card, text, pad, baseline, look.font, look.text)
