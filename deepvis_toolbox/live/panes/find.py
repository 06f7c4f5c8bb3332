"""Finding by name: what was typed, and the nearest names."""

from __future__ import annotations

from functools import partial

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.shapes import clear, fill
from deepvis_toolbox.drawing.text import draw_text, text_width
from deepvis_toolbox.live import actions_find
from deepvis_toolbox.live.finding import MOST, Found
from deepvis_toolbox.live.keys import Binding
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.card import draw_card
from deepvis_toolbox.live.panes.pane import Hit, Pane, Slot
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot

HINT = "a layer, a class, a unit's name or number, layer:number"


class FindPane(Pane):
    """A card at the top, in the middle: a line for what is typed, and one for each name."""

    name = "find"
    slot = Slot.OVERLAY
    keys = (Binding(("/",), actions_find.open_entry, "Move", "find a layer, a class, a unit; Enter goes there"),)

    def is_shown(self, state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG002
        """Return whether the entry is open."""
        return state.view.entry is not None

    def card(self, height: int, width: int, scene: Scene) -> Box:  # noqa: ARG002
        """Return where the card lies."""
        look = scene.look
        room = min(look.px(460), width - 2 * look.px(12))
        left, top = (width - room) // 2, look.px(60)
        return Box(top, left, top + _rows_top(look) + MOST * _row(look) + look.px(10), left + room)

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the card."""
        look, entry = scene.look, scene.state.view.entry
        if entry is None:
            return
        card = draw_card(pixels, self.card(pixels.shape[0], pixels.shape[1], scene), look, look.accent)
        if not card.size:
            return
        pad, width = look.px(14), card.shape[1]
        baseline = pad + look.large.capital_height
        left = pad + draw_text(card, "/ ", pad, baseline, look.large, look.accent)
        left += draw_text(
            card, entry.text, left, baseline, look.large, look.text, width=width - left - pad, elide="start"
        )
        fill(card, Box(pad - look.px(2), left + look.px(1), baseline + look.px(4), left + look.px(3)), look.accent)
        names = actions_find.found(scene.state)
        for number, found in enumerate(names):
            top = _rows_top(look) + number * _row(look)
            _draw_row(card[top : top + _row(look)], found, number == entry.chosen, look)
        if not names:
            note = f"nothing is called like that: {HINT}" if entry.text.strip() else HINT
            draw_text(
                card, note, pad, _rows_top(look) + look.font.line_height, look.font, look.dim, width=width - 2 * pad
            )

    def hit(self, height: int, width: int, scene: Scene, x: int, y: int) -> Hit:
        """Answer the mouse: a click on a name goes there."""
        number = (y - self.card(height, width, scene).top - _rows_top(scene.look)) // _row(scene.look)
        names = actions_find.found(scene.state)
        if not 0 <= number < len(names) or not self.card(height, width, scene).contains(x, y):
            return Hit()
        return Hit(names[number], partial(actions_find.choose, number=number))


def _rows_top(look: Look) -> int:
    return look.px(14) * 2 + look.large.line_height


def _row(look: Look) -> int:
    return look.px(24)


def _draw_row(pixels: Pixels, found: Found, is_chosen: bool, look: Look) -> None:
    if not pixels.size:
        return
    height, width = pixels.shape[:2]
    pad, line = look.px(14), look.px(1)
    if is_chosen:
        clear(pixels[:, line : width - line], look.line)
    baseline = (height + look.font.capital_height) // 2
    what_width = min(text_width(found.what, look.small), width // 2)
    draw_text(pixels, found.what, width - pad, baseline, look.small, look.dim, "right", what_width)
    colour = look.accent if is_chosen else look.text
    draw_text(pixels, found.name, pad, baseline, look.font, colour, width=width - 3 * pad - what_width, elide="start")
