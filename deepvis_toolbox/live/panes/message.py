"""What the last key did, or why it did nothing: one sentence above the status line."""

from __future__ import annotations

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.text import draw_text, fitted, text_width
from deepvis_toolbox.live.panes.card import draw_card
from deepvis_toolbox.live.panes.pane import Pane, Slot
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot


class MessagePane(Pane):
    """A card at the bottom, in the middle."""

    name = "message"
    slot = Slot.OVERLAY

    def is_shown(self, state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG002
        """Return whether there is a message."""
        return bool(state.facts.message)

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the card, as wide as the sentence needs."""
        look = scene.look
        height, width = pixels.shape[:2]
        pad = look.px(14)
        text = fitted(scene.state.facts.message, look.font, max(0, width - 6 * pad))
        card_width = text_width(text, look.font) + 2 * pad
        left, bottom = (width - card_width) // 2, height - look.px(14)
        card = draw_card(pixels, Box(bottom - look.px(34), left, bottom, left + card_width), look)
        baseline = (card.shape[0] + look.font.capital_height) // 2
        draw_text(card, text, pad, baseline, look.font, look.text)
