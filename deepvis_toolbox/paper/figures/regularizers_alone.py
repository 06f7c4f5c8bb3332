"""Figure 3: each of the four regularizers by itself, from none to too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepvis_toolbox.drawing.sheets import Tile, grid_sheet
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.paper.ascents import Shown, all_shown, ascent_piece, free_settings, settings_words
from deepvis_toolbox.paper.figure import Arrays, Drawn, Figure, Page, Piece, register_figure
from deepvis_toolbox.paper.study import Study

STEPS = 500
TILE = 150


@dataclass(frozen=True)
class Sweep:
    """A regularizer's range: from 0 to `strongest`, evenly; `other`: what it needs beside."""

    called: str
    parameter: str
    strongest: float
    other: tuple[tuple[str, float], ...] = ()

    def values(self, count: int) -> list[float]:
        """Return so many strengths, two at least."""
        return [float(f"{value:.4g}") for value in np.linspace(0, self.strongest, max(2, count))]

    def settings(self, steps: int, value: float) -> AscentSettings:
        """Return the ascent with this regularizer alone; with none where the strength is 0."""
        parameters: dict[str, Any] = {self.parameter: value, **dict(self.other)} if value else {}
        return free_settings(steps, **parameters)


SWEEPS = (
    Sweep("L2 decay", "decay", 0.5),
    Sweep("Gaussian blur\n(radius)", "blur_radius", 2.0, (("blur_every", 4),)),
    Sweep("small norm\n(percentile)", "small_norm_percentile", 95.0),
    Sweep("small contribution\n(percentile)", "px_abs_benefit_percentile", 95.0),
)


@register_figure("3")
class RegularizersAlone(Figure):
    """Each of the four regularizers alone, over its range from none to very strong."""

    title = "Figure 3. Each regularizer alone, from none (left) to very strong (right)"

    def pieces(self, study: Study) -> Sequence[Piece]:
        """Return a piece for each picture: as the base class says."""
        units, steps = study.class_units(1), min(STEPS, study.extent.steps)
        plain = ascent_piece(study, "none", units, [0], free_settings(steps))
        return [plain] + [
            ascent_piece(study, f"{sweep.parameter} {value:g}", units, [0], sweep.settings(steps, value))
            for sweep in SWEEPS
            for value in sweep.values(study.extent.strengths)
            if value
        ]

    def draw(self, study: Study, found: Mapping[str, Arrays]) -> Drawn:
        """Return a row for each regularizer: as the base class says."""
        unit, steps = study.class_units(1)[0], min(STEPS, study.extent.steps)
        rows, numbers = [], {}
        for sweep in SWEEPS:
            values = sweep.values(study.extent.strengths)
            shown = [all_shown(found[f"{sweep.parameter} {value:g}" if value else "none"])[0] for value in values]
            rows.append([_tile(value, one) for value, one in zip(values, shown, strict=True)])
            numbers[sweep.parameter] = {f"{value:g}": one.activation for value, one in zip(values, shown, strict=True)}
        sheet = grid_sheet(rows, TILE, [sweep.called for sweep in SWEEPS], gap=6)
        caption = (
            f"Network {study.net.name}, unit {unit.layer}:{unit.channel} ({study.called(unit)}), seed 0; each picture: "
            f"{settings_words(free_settings(steps))}, and one regularizer of the strength below it, with the largest "
            f"activation reached behind it. Strengths are evenly spaced. Gaussian blur: every 4 steps."
        )
        parameters = {"unit": str(unit), "seed": 0, "plain": free_settings(steps).as_record()}
        return Drawn([Page(sheet, caption)], {"activations": numbers}, parameters)


def _tile(value: float, one: Shown) -> Tile:
    return Tile(one.picture, f"{value:g}: activation {one.activation:.3g}")
