"""Table 1: the paper's four sets of parameters, and random sets such as they were chosen from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.sheets import INK, LABEL, Tile, blank, grid_sheet, headed, stacked
from deepvis_toolbox.drawing.text import Font, draw_text, text_width
from deepvis_toolbox.optimize.files.presets import PAPER_PRESETS
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings, settings_from
from deepvis_toolbox.optimize.method.search_space import STEPS, sampled
from deepvis_toolbox.paper.ascents import all_shown, ascent_piece
from deepvis_toolbox.paper.figure import Arrays, Drawn, Figure, Page, Piece, register_figure
from deepvis_toolbox.paper.study import Study

TILE, COLUMNS = 140, 8
SEED = 0
ROWS = {
    "L2 decay": "decay",
    "blur radius": "blur_radius",
    "blur every": "blur_every",
    "small norm percentile": "small_norm_percentile",
    "small contribution percentile": "px_abs_benefit_percentile",
    "steps": "max_iter",
}


@register_figure("table1")
class RandomSearch(Figure):
    """Table 1: the four chosen sets, and a random search such as they were chosen from."""

    title = "Table 1. The paper's four sets of parameters, and random sets to choose from"

    def pieces(self, study: Study) -> Sequence[Piece]:
        """Return a piece for each random set: as the base class says."""
        units = study.class_units(1)
        return [ascent_piece(study, f"trial {trial}", units, [0], trial_settings(study, trial))
                for trial in range(study.extent.trials)]  # fmt: skip

    def draw(self, study: Study, found: Mapping[str, Arrays]) -> Drawn:
        """Return the table, and a picture for each random set: as the base class says."""
        unit, numbers = study.class_units(1)[0], {}
        tiles = []
        for trial in range(study.extent.trials):
            one = all_shown(found[f"trial {trial}"])[0]
            numbers[str(trial)] = one.activation
            label = f"{trial}: activation {one.activation:.3g}\n{words_of(trial_settings(study, trial))}"
            tiles.append(Tile(one.picture, label))
        rows = [tiles[first : first + COLUMNS] for first in range(0, len(tiles), COLUMNS)]
        presets = headed("The paper's four", table([["", *PAPER_PRESETS], *_table_rows()]), LABEL)
        trials = headed(f"{len(tiles)} random sets", grid_sheet(rows, TILE, gap=8), LABEL)
        steps = min(STEPS, study.extent.steps)
        caption = (
            f"Network {study.net.name}, unit {unit.layer}:{unit.channel} ({study.called(unit)}), start seed 0, "
            f"{steps} steps. The sets are those of the random search with seed {SEED} and {steps} steps "
            "(python -m deepvis_toolbox.optimize.search), which keeps a trial as a preset. The paper's authors "
            "looked at 300 and chose four by eye; nobody has chosen here. d: L2 decay, b: blur radius/every, v: "
            "percentile of small values, n: of small norms, c: of small contributions, lr: constant step size, p: "
            "progress wanted of a step."
        )
        parameters = {str(trial): trial_settings(study, trial).as_record() for trial in range(study.extent.trials)}
        return Drawn([Page(stacked([presets, trials]), caption)], {"activations": numbers}, {"trials": parameters})


def trial_settings(study: Study, trial: int) -> AscentSettings:
    """Return one random set."""
    return settings_from(sampled(SEED, trial, min(STEPS, study.extent.steps)), f"trial {trial}")


def words_of(settings: AscentSettings) -> str:
    """Return a set in a few letters, as the caption explains them."""
    record = settings.as_record()
    short = {"d": "decay", "v": "small_val_percentile", "n": "small_norm_percentile", "c": "px_abs_benefit_percentile"}
    parts = [f"{letter} {record[name]:g}" for letter, name in short.items() if record[name]]
    if record["blur_radius"]:
        parts.append(f"b {record['blur_radius']:g}/{record['blur_every']}")
    step = settings.lr_params
    parts.append(f"lr {step['lr']:g}" if "lr" in step else f"p {step['desired_prog']:g}")
    return ", ".join(parts)


def _table_rows() -> list[list[str]]:
    def written(values: Mapping[str, object], name: str) -> str:
        value = values.get(name, 0)
        return f"{value:g}" if isinstance(value, int | float) and value else "off"

    rows = [[called, *(written(values, name) for values in PAPER_PRESETS.values())] for called, name in ROWS.items()]
    steps = [f"{values['lr_policy']}: {', '.join(f'{name} {value:g}' for name, value in values['lr_params'].items())}"
             for values in PAPER_PRESETS.values()]  # fmt: skip
    return [*rows, ["step size", *steps]]


def table(cells: Sequence[Sequence[str]]) -> Pixels:
    """Return a table of text, its first row bold, as RGB uint8 (H, W, 3)."""
    bold = Font(LABEL.size, bold=True)
    widths = [max(text_width(row[column], bold) for row in cells) + 24 for column in range(len(cells[0]))]
    sheet = blank(len(cells) * LABEL.line_height + 8, sum(widths))
    for number, row in enumerate(cells):
        lefts = np.cumsum([0, *widths[:-1]])
        for left, text in zip(lefts, row, strict=True):
            draw_text(
                sheet, text, int(left), number * LABEL.line_height + LABEL.ascent, bold if not number else LABEL, INK
            )
    sheet[LABEL.line_height - 3] = INK
    return sheet
