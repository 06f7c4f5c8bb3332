"""What a scan adds to the statistics: the data set's histograms behind the frame's, and units that fire together."""

from __future__ import annotations

from collections.abc import Sequence

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.plots import paint_histogram
from deepvis_toolbox.drawing.shapes import clear, fill
from deepvis_toolbox.drawing.text import draw_text
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.naming import number_text, words_of
from deepvis_toolbox.live.scanned import FiresWith, ScannedSpread, expected_counts
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.measure import Spread
from deepvis_toolbox.words.unit import Unit

SCANNED_ROWS = 2
"""Lines that the table gets."""
LISTED = 5
_WORTH_SAYING = 0.001
"""A share of the data set's values that lie outside of the plot."""


def scanned_spread(scene: Scene) -> ScannedSpread | None:
    """Return how the selected unit's values are spread over the data set; None where no scan tells."""
    scan, unit = scene.state.facts.scan, scene.state.selected
    if scan is None or unit is None or unit.layer not in scan.maxima:
        return None
    return scene.kept.value("scanned spread", (unit, scan), lambda: scan.spread(unit))


def _fires_with(scene: Scene) -> FiresWith:
    scan, unit = scene.state.facts.scan, scene.state.selected
    if scan is None or unit is None or unit.layer not in scan.maxima:
        return FiresWith()
    return scene.kept.value("fires with", (unit, scan), lambda: scan.fires_with(unit))


def scanned_rows(scanned: ScannedSpread) -> Sequence[tuple[str, str, str]]:
    """Return the table's lines: a label, of the layer, of the unit."""
    return (
        (f"largest in {scanned.pictures} pictures", "", number_text(scanned.largest)),
        ("fires in", "", f"{100 * scanned.fires:.1f} % of them"),
    )


def draw_behind(pixels: Pixels, spread: Spread, scanned: ScannedSpread, is_unit: bool, look: Look) -> None:
    """Draw the bars of the frame over those of the data set, on one scale, where a histogram was drawn on `pixels`.

    Where the scan kept none, the mean and deviation of a unit's maxima are marked.
    """
    height, width = pixels.shape[:2]
    line = look.small.line_height
    if height < 3 * line:
        return
    bars = pixels[line : height - line]
    counts = scanned.unit if is_unit else scanned.layer
    if counts is None:
        if is_unit:
            _mark_maxima(bars, spread, scanned, look)
        return
    largest = scanned.largest if is_unit else scanned.layer_largest
    expected = expected_counts(counts, scanned.edges, largest, spread.edges, int(spread.counts.sum()))
    most = max(float(spread.counts.max(initial=0)), float(expected.max(initial=0)))
    clear(bars, look.panel)
    paint_histogram(bars, expected, look.line, most)
    paint_histogram(bars, spread.counts, look.accent if is_unit else look.dim, most)
    paint_histogram(bars, expected, look.text, most, outline=look.px(1))
    outside = 1 - float(expected.sum()) / max(1, int(spread.counts.sum()))
    if outside > _WORTH_SAYING:
        text = f"{100 * outside:.1f} % of the data set's outside"
        draw_text(bars, text, width, look.small.ascent, look.small, look.dim, "right", width)


def _mark_maxima(bars: Pixels, spread: Spread, scanned: ScannedSpread, look: Look) -> None:
    """Mark the mean of the unit's maxima in the pictures, with the deviation to both sides, and the largest."""
    height, width = bars.shape[:2]
    low, high = float(spread.edges[0]), float(spread.edges[-1])

    def across(value: float) -> int:
        return round(min(max((value - low) / (high - low), 0.0), 1.0) * (width - 1))

    middle, thick = height // 2, look.px(2)
    first, last = across(scanned.mean - scanned.deviation), across(scanned.mean + scanned.deviation)
    fill(bars, Box(middle, first, middle + thick, last + 1), look.text)
    for value, size in ((scanned.mean, look.px(6)), (scanned.largest, look.px(10))):
        place = across(value)
        fill(bars, Box(middle - size, place, middle + size + thick, min(place + thick, width)), look.text)
    text = "maxima in the data set"
    draw_text(bars, text, width, look.small.ascent, look.small, look.dim, "right", width)


def fires_with_height(look: Look) -> int:
    """Return how high the list of units is that fire together."""
    return (1 + LISTED) * look.px(19)


def fires_with_at(scene: Scene, y: int) -> Unit | None:
    """Return the unit whose line is at a row of the list; None where there is none."""
    number, units = y // scene.look.px(19) - 1, _fires_with(scene).units
    return units[number] if 0 <= number < len(units) else None


def draw_fires_with(pixels: Pixels, scene: Scene) -> None:
    """Draw the units that fire with the selected one, each with what it stands for, and the correlation."""
    look, found = scene.look, _fires_with(scene)
    row, width = look.px(19), pixels.shape[1]
    baseline = (row + look.small.capital_height) // 2
    if pixels.shape[0] < fires_with_height(look):
        return
    left = draw_text(pixels, "fires with", 0, baseline, look.small, look.dim) + look.px(8)
    told = found.why_none or "correlation"
    draw_text(pixels, told, width, baseline, look.small, look.dim, "right", max(0, width - left))
    for number, (unit, value) in enumerate(zip(found.units, found.correlations, strict=True)):
        line = pixels[(number + 1) * row : (number + 2) * row]
        right = width - draw_text(line, f"{value:.2f}", width, baseline, look.small, look.text, "right") - look.px(8)
        name = draw_text(line, str(unit), 0, baseline, look.small, look.accent, width=right, elide="start")
        words = words_of(scene.state, unit) or ("",)
        room = right - name - look.px(8)
        draw_text(line, words[0], right, baseline, look.small, look.dim, "right", max(0, room))
