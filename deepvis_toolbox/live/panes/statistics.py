"""How the layer's values are spread, where the selected unit stands among them, and how its activation went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from deepvis_toolbox.drawing.colours import Colour, Pixels
from deepvis_toolbox.drawing.grid import Box, TileGrid
from deepvis_toolbox.drawing.plots import paint_histogram, paint_line
from deepvis_toolbox.drawing.shapes import clear, fill
from deepvis_toolbox.drawing.text import draw_text
from deepvis_toolbox.live import actions_statistics, actions_why
from deepvis_toolbox.live.keys import Binding
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.caption import body_box, body_of, draw_caption, draw_note, missing_note
from deepvis_toolbox.live.panes.changed import changed_title
from deepvis_toolbox.live.panes.naming import number_text
from deepvis_toolbox.live.panes.pane import Hit, Pane, Slot
from deepvis_toolbox.live.panes.scanned_statistics import (
    SCANNED_ROWS,
    draw_behind,
    draw_fires_with,
    fires_with_at,
    fires_with_height,
    scanned_rows,
    scanned_spread,
)
from deepvis_toolbox.live.scanned import ScannedSpread
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.history import SECONDS, Curve, UnitHistory
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import LayerSpread, LayerStatistics, Spread
from deepvis_toolbox.measure.measurement import Question

ROWS = 7


class StatisticsPane(Pane):
    """Two histograms on one axis, a table, and a curve."""

    name = "statistics"
    slot = Slot.RIGHT
    says_what_is_changed = True
    keys = (
        Binding(("H",), actions_statistics.toggle_statistics, "Why", "statistics of the layer and the selected unit"),
    )

    def is_shown(self, state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG002
        """Return whether a key asked for it."""
        return state.view.show_statistics

    def needs(self, state: State) -> Iterable[Question[Any]]:
        """Return how the layer is spread, and the unit's last seconds."""
        question = statistics_question(state)
        return () if question is None else (question, UnitHistory(question))

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw all of it, or say why there is nothing."""
        look, question = scene.look, statistics_question(scene.state)
        draw_caption(pixels, look, changed_title("statistics", scene), scene.state.address)
        body = body_of(pixels, look)
        clear(body, look.panel)
        spread = scene.answer(question)
        if question is None or spread is None or spread.unit is None:
            draw_note(body, look, missing_note(scene, question))
            return
        pad, scanned = look.px(8), scanned_spread(scene)
        inside = body[pad : max(pad, body.shape[0] - pad), pad : max(pad, body.shape[1] - pad)]
        parts = _parts(inside.shape[0], scanned is not None, look)
        layer, unit = inside[parts.layer], inside[parts.unit]
        _draw_histogram(layer, f"{question.layer}: how often each value", spread.layer, look.dim, look)
        _draw_histogram(unit, f"unit {question.unit}", spread.unit, look.accent, look)
        if scanned:
            draw_behind(layer, spread.layer, scanned, False, look)
            draw_behind(unit, spread.unit, scanned, True, look)
            draw_fires_with(inside[parts.list], scene)
        _draw_table(inside[parts.table], spread, scene, scanned)
        _draw_curve(inside[parts.curve], scene.answer(UnitHistory(question)), look)

    def hit(self, height: int, width: int, scene: Scene, x: int, y: int) -> Hit:
        """Answer the mouse: a click on a unit that fires with the selected one goes there."""
        body, pad = body_box(height, width, scene.look), scene.look.px(8)
        parts = _parts(max(0, body.height - 2 * pad), scanned_spread(scene) is not None, scene.look)
        unit = fires_with_at(scene, y - body.top - pad - parts.list.start) if pad <= x < width - pad else None
        return Hit() if unit is None else Hit(unit, partial(actions_why.walk_to, unit=unit), with_pictures=True)


class _Parts(NamedTuple):
    """Which rows of the pane's inside are whose."""

    layer: slice
    unit: slice
    table: slice
    list: slice
    curve: slice


def _parts(height: int, with_scan: bool, look: Look) -> _Parts:
    pad, row = look.px(8), look.px(19)
    table = (ROWS + (SCANNED_ROWS if with_scan else 0)) * row
    listed = fires_with_height(look) if with_scan else 0
    plot = max(0, (height - table - listed - (4 if with_scan else 3) * pad) // 3)
    tops, at = [], 0
    for part in (plot, plot, table, *([listed] if with_scan else []), plot):
        tops.append(slice(at, at + part))
        at += part + pad
    if not with_scan:
        tops.insert(3, slice(0, 0))
    return _Parts(*tops)


def statistics_question(state: State) -> LayerStatistics | None:
    """Return what the pane asks of the shown layer; None where it is not shown, and while the network is loading."""
    if state.layer is None or not state.view.show_statistics:
        return None
    return LayerStatistics(state.layer.name, state.view.unit)


def draw_off_marks(pixels: Pixels, grid: TileGrid, units: Sequence[int], scene: Scene) -> None:
    """Mark the tiles of `units`, laid out by `grid` on `pixels`, of those that are zero everywhere, while the
    statistics are shown."""
    spread, look = scene.answer(statistics_question(scene.state)), scene.look
    off = set(spread.off) if spread else set()
    for place, unit in enumerate(units):
        if unit in off and place < grid.count:
            box = grid.tile_rect(place)
            size = max(1, min(look.px(5), box.height // 6, box.width // 6))
            fill(pixels, Box(box.top, box.right - size, box.top + size, box.right), look.warning)


def _draw_histogram(pixels: Pixels, title: str, spread: Spread, colour: Colour, look: Look) -> None:
    """Draw the title, the bars, and below them the ends of the axis and its zero."""
    height, width = pixels.shape[:2]
    line = look.small.line_height
    if height < 3 * line:
        return
    draw_text(pixels, title, 0, look.small.ascent, look.small, look.dim, width=width, elide="start")
    bars = pixels[line : height - line]
    paint_histogram(bars, spread.counts, colour)
    low, high = float(spread.edges[0]), float(spread.edges[-1])
    fill(pixels, Box(height - line, 0, height - line + look.px(1), width), look.line)
    baseline = height - line + look.px(3) + look.small.capital_height
    draw_text(pixels, number_text(low), 0, baseline, look.small, look.dim)
    draw_text(pixels, number_text(high), width, baseline, look.small, look.dim, "right")
    zero = round(-low / (high - low) * width) if low < 0 < high else None
    if zero is not None and look.px(60) < zero < width - look.px(60):
        draw_text(pixels, "0", zero, baseline, look.small, look.dim, "centre")


def _draw_table(pixels: Pixels, spread: LayerSpread, scene: Scene, scanned: ScannedSpread | None) -> None:
    look, layer = scene.look, scene.state.layer
    unit = spread.unit
    if unit is None or layer is None:
        return
    rank = "" if spread.rank is None else f"{spread.rank + 1} of {layer.channels}"
    rows = [
        ("", "layer", "unit"),
        ("mean", number_text(spread.layer.mean), number_text(unit.mean)),
        ("deviation", number_text(spread.layer.std), number_text(unit.std)),
        ("exactly zero", _share(spread.layer.zeros), _share(unit.zeros)),
        ("saturated", _share(spread.layer.saturated), _share(unit.saturated)),
        ("rank of its largest", "", rank),
        ("units off here", str(len(spread.off)), ""),
        *(scanned_rows(scanned) if scanned else ()),
    ]
    height, width = pixels.shape[:2]
    row, column = height // len(rows), width * 7 // 10
    for number, (label, of_layer, of_unit) in enumerate(rows):
        baseline = number * row + (row + look.small.capital_height) // 2
        end = column if of_layer or not number else width
        draw_text(pixels, label, 0, baseline, look.small, look.dim, width=end - look.px(60))
        draw_text(pixels, of_layer, column, baseline, look.small, look.text if number else look.dim, "right")
        draw_text(pixels, of_unit, width, baseline, look.small, look.text if number else look.dim, "right")
    if spread.off:
        size = look.px(5)
        top = 6 * row + (row - size) // 2
        fill(pixels, Box(top, width - size, top + size, width), look.warning)


def _share(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _draw_curve(pixels: Pixels, curve: Curve | None, look: Look) -> None:
    """Draw the unit's largest activation over the last seconds, its mean below it, and what they are."""
    height, width = pixels.shape[:2]
    line = look.small.line_height
    if curve is None or not curve.seconds.size or height < 3 * line:
        return
    draw_text(pixels, "largest", 0, look.small.ascent, look.small, look.accent)
    draw_text(pixels, "mean", look.px(52), look.small.ascent, look.small, look.dim)
    values = np.concatenate([curve.largest, curve.mean, np.zeros(1, np.float32)])
    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    draw_text(
        pixels, f"{number_text(low)} to {number_text(high)}", width, look.small.ascent, look.small, look.dim, "right"
    )
    plot = pixels[line : height - line]
    across = 1 + curve.seconds / np.float32(SECONDS)
    for values, colour in ((curve.mean, look.dim), (curve.largest, look.accent)):
        paint_line(plot, across, values, (low, high if high > low else low + 1), colour, look.px(1.5))
    fill(pixels, Box(height - line, 0, height - line + look.px(1), width), look.line)
    baseline = height - line + look.px(3) + look.small.capital_height
    draw_text(pixels, f"{SECONDS:.0f} s ago", 0, baseline, look.small, look.dim)
    draw_text(pixels, "now", width, baseline, look.small, look.dim, "right")
