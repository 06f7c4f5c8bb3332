"""Actions that say which units the tiles show, and in which order."""

from __future__ import annotations

from math import ceil, floor

from deepvis_toolbox.live.state import State, Stroke
from deepvis_toolbox.live.tile_order import TILE_ORDERS, WITH_A_SCAN
from deepvis_toolbox.words.layer import Rect

CLICK = 4
"""Pixels of the window: a mouse that moved less was clicked, not dragged."""


def cycle_order(state: State) -> None:
    """Order the tiles by the next of: number, maximum now, mean now, where a scan is there the share of the unit's
    largest; a marked region no longer orders them.

    Where the tiles show changes or differences, there is one order beside the number: by how large those are.
    """
    view = state.view
    change = "difference" if state.reference is not None else "change" if view.tiles_show == "changes" else ""
    orders = TILE_ORDERS[:2] if change else WITH_A_SCAN if state.facts.scan else TILE_ORDERS
    place = 0 if view.region else orders.index(view.order) if view.order in orders else -1
    view.order, view.region = orders[(place + 1) % len(orders)], None
    if view.order == "number":
        view.only_top = False
        state.facts.message = "tiles in the order of their numbers"
    elif view.order == "share":
        state.facts.message = "tiles by each unit's maximum now, as a share of its largest in the data set"
    else:
        state.facts.message = f"tiles by each unit's {change or f'{view.order} now'}"


def toggle_only_top(state: State) -> None:
    """Show the first tiles of the order only, or all again; where there is no order yet, by the maximum."""
    view = state.view
    view.only_top = not view.only_top
    if view.only_top and view.order == "number" and view.region is None:
        view.order = "maximum"
    state.facts.message = f"the top {view.top} tiles only" if view.only_top else "all tiles"


def drag_region(state: State, stroke: Stroke, start: tuple[float, float], scale: float, size: tuple[int, int]) -> None:
    """Mark the part of the picture whose units are looked for; a click marks none.

    `start`: (y, x) where the mouse went down, in pixels of the network's input; `scale`: how many of those a pixel of
    the window is; `size`: the input's (height, width).
    """
    view = state.view
    (top, bottom), (left, right) = (
        _between(first, first + moved * scale, end)
        for first, moved, end in zip(start, (stroke.down, stroke.right), size, strict=True)
    )
    region = Rect(top, left, bottom, right)
    if not stroke.is_over:
        view.dragged = region
        return
    view.dragged, view.region, view.region_everywhere = None, None, False
    if max(abs(stroke.down), abs(stroke.right)) < CLICK:
        return
    if (region.bottom - region.top, region.right - region.left) == size:
        state.facts.message = "that is the whole picture: there is no elsewhere to compare with"
        return
    view.region, view.region_everywhere = region, stroke.shift
    state.facts.message = "tiles by how much more their units fire in the region; click the picture to forget it"


def _between(first: float, last: float, end: int) -> tuple[int, int]:
    """Return the first pixel between two places, cut to 0..end, and the one behind the last."""
    low, high = sorted((min(max(first, 0.0), end), min(max(last, 0.0), end)))
    start = min(floor(low), end - 1)
    return start, max(ceil(high), start + 1)
