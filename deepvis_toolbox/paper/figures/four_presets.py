"""Figure 4: classes as the paper's four chosen sets of parameters show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.sheets import LABEL, Tile, beside, grid_sheet, headed, stacked
from deepvis_toolbox.paper.ascents import Shown, all_shown, ascent_piece, best_of, settings_words
from deepvis_toolbox.paper.figure import Arrays, Drawn, Figure, Page, Piece, register_figure
from deepvis_toolbox.paper.study import Study

TILE, SMALL_TILE = 128, 192
SIDE = 3


@register_figure("4")
class FourPresets(Figure):
    """The paper's four presets: one class from nine starts by each, and the best of each for other classes."""

    title = "Figure 4. Preferred images of classes by the paper's four sets of parameters"

    def pieces(self, study: Study) -> Sequence[Piece]:
        """Return a piece for each preset and class: as the base class says."""
        main, *others = study.class_units(1 + study.extent.others)
        work = []
        for name, settings in study.paper_presets.items():
            work.append(ascent_piece(study, f"{name} {main}", [main], range(study.extent.seeds), settings))
            seeds = range(study.extent.other_seeds)
            work += [ascent_piece(study, f"{name} {unit}", [unit], seeds, settings) for unit in others]
        return work

    def draw(self, study: Study, found: Mapping[str, Arrays]) -> Drawn:
        """Return four squares of pictures, and a row for each other class: as the base class says."""
        main, *others = study.class_units(1 + study.extent.others)
        names = list(study.paper_presets)
        numbers = {}
        squares = []
        for name in names:
            shown = all_shown(found[f"{name} {main}"])
            numbers[f"{name} {main}"] = [one.activation for one in shown]
            tiles = [Tile(one.picture) for one in shown]
            rows = [tiles[first : first + SIDE] for first in range(0, len(tiles), SIDE)]
            squares.append(headed(name, grid_sheet(rows, TILE, gap=3), LABEL))
        parts = [headed(study.called(main), beside(squares, 16))]
        rows_of_others: list[Pixels] = []
        for unit in others:
            each_shown = [all_shown(found[f"{name} {unit}"]) for name in names]
            for name, several in zip(names, each_shown, strict=True):
                numbers[f"{name} {unit}"] = [one.activation for one in several]
            row = [_tile(name, best_of(several)) for name, several in zip(names, each_shown, strict=True)]
            rows_of_others.append(headed(study.called(unit), grid_sheet([row], SMALL_TILE, gap=8)))
        parts += [beside(rows_of_others[first : first + 2], 24) for first in range(0, len(rows_of_others), 2)]
        seeds, more = study.extent.seeds, study.extent.other_seeds
        told = "\n".join(f"{name}: {settings_words(each)}" for name, each in study.paper_presets.items())
        caption = (
            f"Network {study.net.name}, layer {study.class_layer.name}; {study.called(main)} from seeds 0 to "
            f"{seeds - 1} by each preset. Below, each preset's picture with the largest activation of seeds 0 to "
            f"{more - 1} (the paper's were chosen by eye).\n{told}"
        )
        parameters = {name: settings.as_record() for name, settings in study.paper_presets.items()}
        return Drawn([Page(stacked(parts), caption)], {"activations": numbers}, parameters)


def _tile(name: str, one: Shown) -> Tile:
    return Tile(one.picture, f"{name}: activation {one.activation:.3g}")
