"""The help: every key of the one table, under its group's heading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.shapes import dim, fill
from deepvis_toolbox.drawing.text import draw_text, text_width
from deepvis_toolbox.live.keys import KEYS, Binding
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.card import draw_card
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot

BACKGROUND_BRIGHTNESS = 0.3
SMALLEST_SCALE = 0.6
"""Smaller text could not be read at all."""

Group = tuple[str, list[Binding]]


def is_shown(state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG001
    return state.show_help


def draw(pixels: Pixels, state: State, snapshot: Snapshot | None, look: Look) -> None:  # noqa: ARG001
    """One card in the middle, its groups in as many columns as it takes."""
    dim(pixels, BACKGROUND_BRIGHTNESS)
    height, width = pixels.shape[:2]
    look = _fitting(height, width, look)
    pad, columns = look.px(24), _columns(height, look)
    room = min(_column_width(look), (width - (len(columns) + 1) * pad) // len(columns))
    card_height, card_width = _size(columns, room, look)
    top, left = max(0, (height - card_height) // 2), max(0, (width - card_width) // 2)
    card = draw_card(pixels, Box(top, left, top + card_height, left + card_width), look)
    for number, column in enumerate(columns):
        start = pad + number * (room + pad)
        _draw_column(card[:, start : start + room], column, pad, look)


def _fitting(height: int, width: int, look: Look) -> Look:
    """The look, smaller where the help would not fit: what it says must be seen whole."""
    while look.scale > SMALLEST_SCALE:
        needed = _size(_columns(height, look), _column_width(look), look)
        if needed[0] <= height and needed[1] <= width:
            break
        look = replace(look, scale=max(SMALLEST_SCALE, look.scale * 0.95))
    return look


def _columns(height: int, look: Look) -> list[list[Group]]:
    return _in_columns(help_groups(), (height - 2 * look.px(24) - look.px(40)) // _row(look))


def _size(columns: list[list[Group]], room: int, look: Look) -> tuple[int, int]:
    """Height and width of the card whose columns are `room` wide."""
    pad = look.px(24)
    rows = max(sum(len(keys) + 2 for _, keys in column) - 1 for column in columns)
    return rows * _row(look) + 2 * pad, len(columns) * (room + pad) + pad


def help_groups() -> list[Group]:
    """The table's keys that have a sentence, by heading, in the table's order."""
    told = [binding for binding in KEYS if binding.sentence]
    return [(group, list(keys)) for group, keys in groupby(told, key=lambda binding: binding.group)]


def _row(look: Look) -> int:
    return look.px(23)


def _keys_width(look: Look) -> int:
    return max(text_width(binding.label, look.font) for _, keys in help_groups() for binding in keys)


def _column_width(look: Look) -> int:
    """Wide enough for the longest sentence."""
    longest = max(text_width(binding.sentence, look.font) for _, keys in help_groups() for binding in keys)
    return _keys_width(look) + look.px(20) + longest


def _in_columns(groups: list[Group], rows: int) -> list[list[Group]]:
    """One column where all groups fit below each other, else two of about the same height."""
    heights = [len(keys) + 2 for _, keys in groups]
    if sum(heights) - 1 <= rows or len(groups) == 1:
        return [groups]
    splits = range(1, len(groups))
    best = min(splits, key=lambda split: max(sum(heights[:split]), sum(heights[split:])))
    return [groups[:best], groups[best:]]


def _draw_column(pixels: Pixels, groups: Sequence[Group], top: int, look: Look) -> None:
    row, width = _row(look), pixels.shape[1]
    text_left = _keys_width(look) + look.px(20)
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
