"""Which panes there are, where each lies in a window of any size, and what they need of the worker."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.shapes import clear
from deepvis_toolbox.live.keys import WINDOW_KEYS, KeyTable
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.backward import BackwardPane
from deepvis_toolbox.live.panes.caption import draw_note
from deepvis_toolbox.live.panes.changed import draw_changed_tag
from deepvis_toolbox.live.panes.classes import ClassesPane
from deepvis_toolbox.live.panes.error import ErrorPane
from deepvis_toolbox.live.panes.film_strip import FilmStripPane
from deepvis_toolbox.live.panes.find import FindPane
from deepvis_toolbox.live.panes.from_frame import FromFramePane
from deepvis_toolbox.live.panes.help_overlay import HelpPane
from deepvis_toolbox.live.panes.input_image import InputPane
from deepvis_toolbox.live.panes.layer_list import LayerListPane
from deepvis_toolbox.live.panes.message import MessagePane
from deepvis_toolbox.live.panes.most_different import MostDifferentPane
from deepvis_toolbox.live.panes.occlusion import OcclusionPane
from deepvis_toolbox.live.panes.pane import Hit, Pane, Slot
from deepvis_toolbox.live.panes.region_list import RegionListPane
from deepvis_toolbox.live.panes.selected import SelectedPane
from deepvis_toolbox.live.panes.statistics import StatisticsPane
from deepvis_toolbox.live.panes.status_line import StatusPane
from deepvis_toolbox.live.panes.tiles import TilesPane
from deepvis_toolbox.live.panes.timings import TimingsPane
from deepvis_toolbox.live.panes.tooltip import TooltipPane
from deepvis_toolbox.live.panes.unit_images import UnitImagesPane
from deepvis_toolbox.live.panes.what_if import WhatIfPane
from deepvis_toolbox.live.panes.why import WhyPane
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.registry import Registry

SMALLEST = (640, 400)
"""Width and height below which panes no longer fit; a smaller window shows the top left of this."""

SMALLEST_STACKED = (320, 400)
"""The same where panes lie above each other."""

_LOG = logging.getLogger(__name__)

PANES: Registry[Pane] = Registry("pane")
"""All panes, in the order in which they are drawn. A new one is a module and a line below."""


def add_pane(pane: Pane) -> Pane:
    """Add a pane to the window, above those that are there; for a file of a user's own (`--extend`)."""
    return PANES.add(pane.name, pane)


for _pane in (
    InputPane(),
    ClassesPane(),
    SelectedPane(),
    BackwardPane(),
    FilmStripPane(),
    LayerListPane(),
    RegionListPane(),
    MostDifferentPane(),
    WhatIfPane(),
    TilesPane(),
    UnitImagesPane(),
    WhyPane(),
    FromFramePane(),
    OcclusionPane(),
    StatisticsPane(),
    StatusPane(),
    TimingsPane(),
    TooltipPane(),
    MessagePane(),
    FindPane(),
    ErrorPane(),
    HelpPane(),
):
    add_pane(_pane)


def key_table() -> KeyTable:
    """Return the keys of all panes and of the window itself. `ToolboxError` where one key means two things."""
    return KeyTable([*WINDOW_KEYS, *(binding for pane in PANES.values() for binding in pane.keys)])


def make_request(state: State) -> Request:
    """Return what the worker must answer for the panes that are shown; nothing while the network is loading."""
    shown = (pane for pane in PANES.values() if pane.is_shown(state, None)) if state.facts.layers else ()
    questions = frozenset(question for pane in shown for question in pane.needs(state))
    return Request(questions | state.facts.noticing, state.view.stretch, state.view.edits, state.view.perturbation)


@dataclass(frozen=True)
class Layout:
    """The boxes of the panes that are shown, in the order in which they are drawn."""

    boxes: dict[str, Box]
    facts: dict[str, Any] = field(default_factory=dict)
    """Fields of `State.facts` that follow from the panes' room: how many columns the tiles have."""

    def pane_at(self, x: int, y: int) -> Pane | None:
        """Return the pane at a pixel of the window, overlays not counted; None between panes."""
        shown = (pane for pane in PANES.values() if pane.name in self.boxes and pane.slot is not Slot.OVERLAY)
        return next((pane for pane in shown if self.boxes[pane.name].contains(x, y)), None)


def make_layout(width: int, height: int, scene: Scene) -> Layout:
    """Return where the panes lie. It depends on which are shown, on nothing else that changes: boxes do not jump."""
    look = scene.look
    shown = [pane for pane in PANES.values() if pane.is_shown(scene.state, scene.snapshot)]
    arrange, smallest = (_stacked_slots, SMALLEST_STACKED) if look.is_stacked else (_slots, SMALLEST)
    slots = arrange(max(width, smallest[0]), max(height, smallest[1]), shown, look)
    boxes: dict[str, Box] = {}
    facts: dict[str, Any] = {}
    for pane in shown:
        if pane.slot is Slot.OVERLAY:
            box = slots[pane.slot]
        else:
            box = _shares(slots[pane.slot], [other for other in shown if other.slot is pane.slot], look)[pane.name]
        boxes[pane.name] = box
        facts |= pane.facts(box.height, box.width, scene)
    return Layout(boxes, facts)


def draw_window(pixels: Pixels, layout: Layout, scene: Scene) -> None:
    """Draw all panes that are shown over the whole window, RGB uint8 H×W×3."""
    clear(pixels, scene.look.window)
    for pane in PANES.values():
        box = layout.boxes.get(pane.name)
        place = pixels[box.top : box.bottom, box.left : box.right] if box else pixels[:0]
        if place.size:
            _draw_safely(pane, place, scene)
            draw_changed_tag(pane, place, scene)


def hit(layout: Layout, scene: Scene, x: int, y: int) -> tuple[Pane, Hit] | None:
    """Return the pane at a pixel of the window and what lies there; None between panes."""
    pane = _card_at(layout, scene, x, y) or layout.pane_at(x, y)
    if pane is None:
        return None
    box = layout.boxes[pane.name]
    return pane, pane.hit(box.height, box.width, scene, x - box.left, y - box.top)


def _card_at(layout: Layout, scene: Scene, x: int, y: int) -> Pane | None:
    """Return the overlay whose card, one that the mouse may use, lies at a pixel of the window."""
    for pane in PANES.values():
        if (box := layout.boxes.get(pane.name)) and pane.slot is Slot.OVERLAY:
            card = pane.card(box.height, box.width, scene)
            if card and card.contains(x - box.left, y - box.top):
                return pane
    return None


def _draw_safely(pane: Pane, pixels: Pixels, scene: Scene) -> None:
    """Draw one pane; its failure is shown in its place, and the others are drawn all the same."""
    try:
        pane.draw(pixels, scene)
    except Exception as problem:
        _LOG.exception("the pane %s could not be drawn", pane.name)
        clear(pixels, scene.look.panel)
        draw_note(pixels, scene.look, f"the pane {pane.name} could not be drawn: {problem}", scene.look.warning)


def _slots(width: int, height: int, shown: Sequence[Pane], look: Look) -> dict[Slot, Box]:
    margin, gap, status = look.px(look.margin), look.px(look.gap), look.px(look.status)
    top, bottom = look.px(4), height - status - look.px(look.gap)
    column = Box(top, margin, bottom, margin)
    shares = _shares(column, [pane for pane in shown if pane.slot is Slot.LEFT], look)
    square = max((box.height for box in shares.values()), default=bottom - top) - look.px(look.caption)
    aside = look.px(look.gap * 1.5)  # captions at the ends of two columns need more room between them
    left = column._replace(right=margin + min(square, width // 4))
    names = Box(top, left.right + aside, bottom, left.right + aside + min(look.px(look.list_width), width // 5))
    with_right = any(pane.slot is Slot.RIGHT for pane in shown)
    third = (bottom - top - 2 * gap) // 3 - look.px(look.caption)  # three square pictures above each other
    right_width = min(look.px(look.unit_images_width), third, width // 5) if with_right else -aside
    right = Box(top, width - margin - right_width, bottom, width - margin)
    return {
        Slot.LEFT: left,
        Slot.LIST: names,
        Slot.MAIN: Box(top, names.right + aside, bottom, right.left - aside),
        Slot.RIGHT: right,
        Slot.STATUS: Box(height - status, 0, height, width),
        Slot.OVERLAY: Box(0, 0, height - status, width),
    }


def _stacked_slots(width: int, height: int, shown: Sequence[Pane], look: Look) -> dict[Slot, Box]:
    """Return the slots of a window that is higher than wide: the picture beside the lists above, the tiles below."""
    margin, gap = look.px(look.margin / 2), look.px(look.gap)
    middle, split = width // 2, height * 58 // 100
    beside = Box(0, middle + gap // 2, split, width - margin)
    with_right = any(pane.slot is Slot.RIGHT for pane in shown)
    names = beside._replace(bottom=split * 2 // 5) if with_right else beside
    return {
        Slot.LEFT: Box(0, margin, split, middle - gap // 2),
        Slot.LIST: names,
        Slot.RIGHT: beside._replace(top=names.bottom + gap if with_right else split),
        Slot.MAIN: Box(split + gap, margin, height, width - margin),
        Slot.STATUS: Box(height, 0, height, width),
        Slot.OVERLAY: Box(0, 0, height, width),
    }


def _shares(box: Box, panes: Sequence[Pane], look: Look) -> dict[str, Box]:
    """Return the panes' parts of a slot, from the top: fixed heights first, the rest in equal parts."""
    gap = look.px(look.gap)
    fixed = {pane.name: look.px(pane.fixed_height) for pane in panes if pane.fixed_height}
    others = max(1, len(panes) - len(fixed))
    equal = max(1, (box.height - (len(panes) - 1) * gap - sum(fixed.values())) // others)
    shares, top = {}, box.top
    for pane in panes:
        height = fixed.get(pane.name, equal)
        bottom = box.bottom if pane is panes[-1] else top + height
        shares[pane.name] = box._replace(top=top, bottom=bottom)
        top += height + gap
    return shares
