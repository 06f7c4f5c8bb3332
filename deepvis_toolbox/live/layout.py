"""Which panes there are, where each lies in a window of any size, and which one lies under the mouse."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.shapes import clear
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes import (
    backward,
    error,
    help_overlay,
    input_image,
    layer_list,
    message,
    selected,
    status_line,
    tiles,
    timings,
    unit_images,
)
from deepvis_toolbox.live.panes.caption import draw_note
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind

SMALLEST = (640, 400)
"""Width and height below which panes no longer fit; a smaller window shows the top left of this."""

_LOG = logging.getLogger(__name__)

Draw = Callable[[Pixels, State, Snapshot | None, Look], None]
IsShown = Callable[[State, Snapshot | None], bool]


class Slot(Enum):
    """A part of the window. Panes in the same slot share its height, one above the other; overlays lie on top."""

    LEFT = auto()
    LIST = auto()
    MAIN = auto()
    RIGHT = auto()
    """The column for unit images; without a pane that is shown it takes no room."""
    STATUS = auto()
    OVERLAY = auto()
    """All but the status line, above everything else."""


def _always(state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG001
    return True


@dataclass(frozen=True)
class Pane:
    """A pane: its name, its place, and the function that draws it."""

    name: str
    slot: Slot
    draw: Draw
    is_shown: IsShown = _always


PANES: tuple[Pane, ...] = (
    Pane("input", Slot.LEFT, input_image.draw),
    Pane("selected", Slot.LEFT, selected.draw),
    Pane("backward", Slot.LEFT, backward.draw),
    Pane("layers", Slot.LIST, layer_list.draw),
    Pane("tiles", Slot.MAIN, tiles.draw),
    Pane("unit images", Slot.RIGHT, unit_images.draw, unit_images.is_shown),
    Pane("status", Slot.STATUS, status_line.draw),
    Pane("timings", Slot.OVERLAY, timings.draw, timings.is_shown),
    Pane("message", Slot.OVERLAY, message.draw, message.is_shown),
    Pane("error", Slot.OVERLAY, error.draw, error.is_shown),
    Pane("help", Slot.OVERLAY, help_overlay.draw, help_overlay.is_shown),
)
"""All panes, in the order in which they are drawn. A new one is a module and a line here."""


class Hit(NamedTuple):
    """What lies under the mouse: a pane, and there a layer (its index), a unit, or a kind of the unit's pictures."""

    pane: str
    layer_index: int | None = None
    unit: int | None = None
    pictures: UnitImageKind | None = None


@dataclass(frozen=True)
class Layout:
    """The boxes of the panes that are shown, in the order in which they are drawn."""

    boxes: dict[str, Box]

    def pane_at(self, x: int, y: int) -> str | None:
        """The pane at a pixel of the window, overlays not counted; None between panes."""
        overlays = {pane.name for pane in PANES if pane.slot is Slot.OVERLAY}
        return next((name for name, box in self.boxes.items() if name not in overlays and box.contains(x, y)), None)


def make_layout(width: int, height: int, state: State, snapshot: Snapshot | None, look: Look) -> Layout:
    """Where the panes lie. Depends on which panes are shown, on nothing else that changes: boxes do not jump."""
    shown = [pane for pane in PANES if pane.is_shown(state, snapshot)]
    slots = _slots(max(width, SMALLEST[0]), max(height, SMALLEST[1]), any(p.slot is Slot.RIGHT for p in shown), look)
    boxes: dict[str, Box] = {}
    for pane in shown:
        mates = [other.name for other in shown if other.slot is pane.slot]
        box = slots[pane.slot]
        overlay = pane.slot is Slot.OVERLAY
        boxes[pane.name] = box if overlay else _share(box, mates.index(pane.name), len(mates), look.px(look.gap))
    return Layout(boxes)


def draw_window(pixels: Pixels, state: State, snapshot: Snapshot | None, look: Look) -> Layout:
    """Draws all panes that are shown over the whole window (RGB uint8, H×W×3); returns where they lie.

    Sets `state.tile_columns`, which the keys that move up and down need.
    """
    height, width = pixels.shape[:2]
    layout = make_layout(width, height, state, snapshot, look)
    clear(pixels, look.window)
    draws = {pane.name: pane.draw for pane in PANES}
    for name, box in layout.boxes.items():
        place = pixels[box.top : box.bottom, box.left : box.right]
        if place.size:
            _draw_safely(name, draws[name], place, state, snapshot, look)
    main = layout.boxes["tiles"]
    grid = tiles.tile_grid(main.height, main.width, state, snapshot, look)
    if grid:
        state.tile_columns, state.tile_size = grid.columns, grid.tile_height
    return layout


def hit(layout: Layout, state: State, snapshot: Snapshot | None, look: Look, x: int, y: int) -> Hit | None:
    """What lies at a pixel of the window; None between panes."""
    name = layout.pane_at(x, y)
    if name is None:
        return None
    box = layout.boxes[name]
    left, top = x - box.left, y - box.top
    if name == "layers":
        return Hit(name, layer_index=layer_list.layer_at(box.height, state, look, top))
    if name == "tiles":
        return Hit(name, unit=tiles.unit_at(box.height, box.width, state, snapshot, look, left, top))
    if name == "unit images":
        return Hit(name, pictures=unit_images.pictures_at(box.height, look, top))
    return Hit(name)


def _draw_safely(name: str, draw: Draw, pixels: Pixels, state: State, snapshot: Snapshot | None, look: Look) -> None:
    """One pane's failure is shown in its place; the others are drawn all the same."""
    try:
        draw(pixels, state, snapshot, look)
    except Exception as problem:
        _LOG.exception("the pane %s could not be drawn", name)
        clear(pixels, look.panel)
        draw_note(pixels, look, f"the pane {name} could not be drawn: {problem}", look.warning)


def _slots(width: int, height: int, with_right: bool, look: Look) -> dict[Slot, Box]:
    margin, gap, status = look.px(look.margin), look.px(look.gap), look.px(look.status)
    top, bottom = look.px(4), height - status - look.px(look.gap)
    square = (bottom - top - 2 * gap) // 3 - look.px(look.caption)  # three square pictures above each other
    aside = look.px(look.gap * 1.5)  # captions at the ends of two columns need more room between them
    left = Box(top, margin, bottom, margin + min(square, width // 4))
    names = Box(top, left.right + aside, bottom, left.right + aside + min(look.px(look.list_width), width // 5))
    right_width = min(look.px(look.unit_images_width), square, width // 5) if with_right else -aside
    right = Box(top, width - margin - right_width, bottom, width - margin)
    return {
        Slot.LEFT: left,
        Slot.LIST: names,
        Slot.MAIN: Box(top, names.right + aside, bottom, right.left - aside),
        Slot.RIGHT: right,
        Slot.STATUS: Box(height - status, 0, height, width),
        Slot.OVERLAY: Box(0, 0, height - status, width),
    }


def _share(box: Box, place: int, count: int, gap: int) -> Box:
    """One of `count` equal parts of the box, from the top."""
    height = (box.height - (count - 1) * gap) // count
    top = box.top + place * (height + gap)
    return box._replace(top=top, bottom=box.bottom if place == count - 1 else top + height)
