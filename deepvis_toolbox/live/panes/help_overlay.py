"""The help: every key of the one table, under its group's heading."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.shapes import dim, fill
from deepvis_toolbox.drawing.text import draw_text, text_width
from deepvis_toolbox.live import actions
from deepvis_toolbox.live.keys import Binding
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.card import draw_card
from deepvis_toolbox.live.panes.pane import Pane, Slot
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot

BACKGROUND_BRIGHTNESS = 0.3
MOST_COLUMNS = 3
SMALLEST_SCALE = 0.6
"""Smaller text could not be read at all."""

KeyGroup = tuple[str, list[Binding]]


class HelpPane(Pane):
    """One card in the middle, its groups in as many columns as it takes."""

    name = "help"
    slot = Slot.OVERLAY
    keys = (Binding(("h",), actions.toggle_help, "Window", "this help on or off"),)

    def is_shown(self, state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG002
        """Return whether a key asked for it."""
        return state.view.show_help

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the card over the dimmed window."""
        dim(pixels, BACKGROUND_BRIGHTNESS)
        _draw_card_of(scene.keys.groups(), pixels, scene.look)


def _draw_card_of(groups: list[KeyGroup], pixels: Pixels, look: Look) -> None:
    height, width = pixels.shape[:2]
    look, columns = _fitting(groups, height, width, look)
    pad, (card_height, card_width) = look.px(24), _size(columns, look)
    card_width = min(card_width, width)
    top, left = max(0, (height - card_height) // 2), max(0, (width - card_width) // 2)
    card = draw_card(pixels, Box(top, left, top + card_height, left + card_width), look)
    start = pad
    for column in columns:
        end = start + _column_width(column, look)
        _draw_column(card[:, start : min(end, card_width - pad)], column, pad, _keys_width(column, look), look)
        start = end + pad


def _fitting(groups: list[KeyGroup], height: int, width: int, look: Look) -> tuple[Look, list[list[KeyGroup]]]:
    """Return the look, smaller where the help would not fit, and the groups in columns: what it says must be seen
    whole, and as large as that allows."""
    while True:
        for count in range(1, min(MOST_COLUMNS, len(groups)) + 1):
            columns = _in_columns(groups, count)
            needed = _size(columns, look)
            if needed[0] <= height and needed[1] <= width:
                return look, columns
        if look.scale <= SMALLEST_SCALE:
            return look, columns
        look = look.at_scale(max(SMALLEST_SCALE, look.scale * 0.95))


def _size(columns: list[list[KeyGroup]], look: Look) -> tuple[int, int]:
    """Return height and width of the card."""
    pad = look.px(24)
    rows = max(_rows(column) for column in columns)
    return rows * _row(look) + 2 * pad, sum(_column_width(column, look) + pad for column in columns) + pad


def _rows(groups: Sequence[KeyGroup]) -> int:
    return sum(len(keys) + 2 for _, keys in groups) - 1


def _row(look: Look) -> int:
    return look.px(23)


def _keys_width(groups: Sequence[KeyGroup], look: Look) -> int:
    return max(text_width(binding.label, look.font) for _, keys in groups for binding in keys)


def _column_width(groups: Sequence[KeyGroup], look: Look) -> int:
    """Return the width for the longest sentence."""
    longest = max(text_width(binding.sentence, look.font) for _, keys in groups for binding in keys)
    return _keys_width(groups, look) + look.px(20) + longest


def _in_columns(groups: list[KeyGroup], count: int) -> list[list[KeyGroup]]:
    """Return the groups, in order, in so many columns of about the same height."""

    def cut(ends: tuple[int, ...]) -> list[list[KeyGroup]]:
        edges = (0, *ends, len(groups))
        return [groups[first:last] for first, last in pairwise(edges)]

    splits = (cut(ends) for ends in combinations(range(1, len(groups)), count - 1))
    return min(splits, key=lambda columns: max(_rows(column) for column in columns))


def _draw_column(pixels: Pixels, groups: Sequence[KeyGroup], top: int, keys_width: int, look: Look) -> None:
    row, width = _row(look), pixels.shape[1]
    text_left = keys_width + look.px(20)
    baseline = top + look.font.capital_height
    for heading, keys in groups:
        draw_text(pixels, heading, 0, baseline, look.bold, look.accent, width=width)
        line = baseline + look.px(7)
        fill(pixels, Box(line, 0, line + look.px(1), width), look.line)
        for binding in keys:
            baseline += row
            draw_text(pixels, binding.label, 0, baseline + look.px(4), look.font, look.text, width=width)
            room = max(0, width - text_left)
            draw_text(pixels, binding.sentence, text_left, baseline + look.px(4), look.font, look.dim, width=room)
        baseline += 2 * row
