"""What is known of the unit under the mouse: its address, what it stands for, where asked its preferred images."""

from __future__ import annotations

from deepvis_toolbox.drawing.colours import Colour, Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.pictures import paint_picture
from deepvis_toolbox.drawing.text import draw_text, text_width
from deepvis_toolbox.live.mouse_places import Hovered
from deepvis_toolbox.live.panes.caption import draw_note
from deepvis_toolbox.live.panes.card import draw_card
from deepvis_toolbox.live.panes.naming import NO_NAME, given_name, words_of
from deepvis_toolbox.live.panes.pane import Pane, Slot
from deepvis_toolbox.live.pictures.unit_pictures import ShownPicture
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot

NAMES = 3
"""Of a unit's classes, so many are listed."""
PICTURE, WIDEST = 240, 300
"""Pixels at scale 1: a side of the pictures, and how wide a card becomes."""


class TooltipPane(Pane):
    """A card beside the mouse, which clicks go through; away from the mouse where the window ends."""

    name = "tooltip"
    slot = Slot.OVERLAY

    def is_shown(self, state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG002
        """Return whether there is more to say of the unit than its tile shows."""
        hovered = state.facts.hovered
        return hovered is not None and (hovered.with_pictures or words_of(state, hovered.unit) is not None)

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the card."""
        look, hovered = scene.look, scene.state.facts.hovered
        if hovered is None:
            return
        pad, row = look.px(8), look.small.line_height + look.px(2)
        lines = _lines(scene, hovered)
        side = min(look.px(PICTURE), pixels.shape[1] // 3, pixels.shape[0] // 2) if hovered.with_pictures else 0
        room = max(side, min(max(text_width(text, look.small) for text, _ in lines), look.px(WIDEST)))
        height = 2 * pad + len(lines) * row + (side + pad if side else 0)
        box = _beside(hovered, height, room + 2 * pad, pixels.shape[0], pixels.shape[1], look.px(14))
        card = draw_card(pixels, box, look)
        for number, (text, colour) in enumerate(lines):
            baseline = pad + number * row + look.small.ascent
            draw_text(card, text, pad, baseline, look.small, colour, width=max(0, card.shape[1] - 2 * pad))
        if side:
            top = 2 * pad + len(lines) * row
            _draw_pictures(card[top : top + side, pad : pad + room], scene)


def _lines(scene: Scene, hovered: Hovered) -> list[tuple[str, Colour]]:
    state, look, unit = scene.state, scene.look, hovered.unit
    lines = [(str(unit), look.accent)]
    given = given_name(state, unit.layer, unit.channel) if state.view.show_labels else ""
    if given:
        lines.append((given, look.text))
    words = words_of(state, unit, with_chance=True)
    if words is not None:
        lines += [(word, look.text) for word in words[:NAMES]] or [(NO_NAME, look.dim)]
    if hovered.with_pictures:
        lines.append(("preferred images", look.dim))
    return lines


def _draw_pictures(place: Pixels, scene: Scene) -> None:
    facts = scene.state.facts
    if not facts.has_unit_images:
        shown = ShownPicture(note="this model names no folder for unit images (unit_images.folder)")
    else:
        shown = facts.hovered_picture or ShownPicture(note="reading …")
    if shown.image is not None:
        paint_picture(place, shown.image)
    else:
        draw_note(place, scene.look, shown.note, font=scene.look.small)


def _beside(hovered: Hovered, height: int, width: int, window_height: int, window_width: int, gap: int) -> Box:
    """Return where a card of this size lies: right of the mouse and below it, left or above where the window ends."""
    left = hovered.x + gap if hovered.x + gap + width <= window_width else hovered.x - gap - width
    top = hovered.y + gap if hovered.y + gap + height <= window_height else hovered.y - gap - height
    left, top = max(0, min(left, window_width - width)), max(0, min(top, window_height - height))
    return Box(top, left, top + height, left + width)
