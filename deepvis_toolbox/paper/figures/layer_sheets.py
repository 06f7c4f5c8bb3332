"""Figure S1: many units of a layer on a sheet, a sheet for each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deepvis_toolbox.drawing.sheets import Tile, grid_sheet
from deepvis_toolbox.paper.ascents import all_shown, ascent_piece, joined, pieces_of_units, settings_words
from deepvis_toolbox.paper.figure import Arrays, Drawn, Figure, Page, Piece, register_figure
from deepvis_toolbox.paper.figures.units_of_layers import CHOICE, units_of, usual_of
from deepvis_toolbox.paper.study import Study
from deepvis_toolbox.words.layer import Layer

TILE = 100
COLUMNS = 8
AT_A_TIME = 16
"""Units of a piece."""


@register_figure("S1")
class LayerSheets(Figure):
    """A sheet for each layer: the preferred images of many of its units."""

    title = "Figure S1. Preferred images of a layer's units"

    def pieces(self, study: Study) -> Sequence[Piece]:
        """Return pieces of some units each: as the base class says."""
        return [
            ascent_piece(study, f"{layer.name} {number}", units, [0], usual_of(study, layer)[1])
            for layer in study.few_layers
            for number, units in self._parts(study, layer)
        ]

    def draw(self, study: Study, found: Mapping[str, Arrays]) -> Drawn:
        """Return a page for each layer: as the base class says."""
        pages, numbers = [], {}
        parameters = {layer.name: usual_of(study, layer)[1].as_record() for layer in study.few_layers}
        for layer in study.few_layers:
            whole = joined([found[f"{layer.name} {number}"] for number, _ in self._parts(study, layer)])
            units = units_of(study, layer, study.extent.sheet_units)
            shown = all_shown(whole)
            tiles = [Tile(one.picture, study.called(unit)) for one, unit in zip(shown, units, strict=True)]
            rows = [tiles[first : first + COLUMNS] for first in range(0, len(tiles), COLUMNS)]
            name, settings = usual_of(study, layer)
            height, width = whole["pictures"].shape[1:3]
            caption = (
                f"Network {study.net.name}, layer {layer.name}: {len(units)} of {layer.channels} units, {CHOICE}, "
                f"each cut to the {height}×{width} pixels that it can see and drawn {TILE} pixels large; seed 0. "
                f'Preset "{name}": {settings_words(settings)}.'
            )
            pages.append(Page(grid_sheet(rows, TILE, gap=6), caption, layer.name))
            numbers[layer.name] = {str(unit): one.activation for unit, one in zip(units, shown, strict=True)}
        return Drawn(pages, {"activations": numbers}, parameters)

    def _parts(self, study: Study, layer: Layer) -> list[tuple[int, Sequence]]:
        units = units_of(study, layer, study.extent.sheet_units)
        return list(pieces_of_units(units, AT_A_TIME))
