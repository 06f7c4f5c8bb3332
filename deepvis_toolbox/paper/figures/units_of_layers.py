"""Figure 5: units of every layer at the size of what they see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.sheets import LABEL, Tile, beside, grid_sheet, headed, scaled, stacked
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.paper.ascents import all_shown, ascent_piece, settings_words
from deepvis_toolbox.paper.figure import Arrays, Drawn, Figure, Page, Piece, register_figure
from deepvis_toolbox.paper.study import Study, evenly
from deepvis_toolbox.words.layer import Layer
from deepvis_toolbox.words.unit import Unit

WIDEST = 1400
"""Pixels of a row."""
LEGIBLE = 64
"""Pixels: what is smaller is shown enlarged as well."""


@register_figure("5")
class UnitsOfLayers(Figure):
    """Units of every layer at true size, the part of the image that they see, each from four starts."""

    title = "Figure 5. Units of every layer at true size, from several starts"

    def pieces(self, study: Study) -> Sequence[Piece]:
        """Return a piece for each layer: as the base class says."""
        seeds = range(study.extent.starts)
        work = []
        for layer in study.few_layers:
            units = units_of(study, layer, study.extent.units)
            work.append(ascent_piece(study, layer.name, units, seeds, study.usual(units[0])[1]))
        return work

    def draw(self, study: Study, found: Mapping[str, Arrays]) -> Drawn:
        """Return a band for each layer, the highest on top: as the base class says."""
        bands, numbers = [], {}
        for layer in reversed(study.few_layers):
            shown, starts = all_shown(found[layer.name]), study.extent.starts
            units = units_of(study, layer, study.extent.units)
            numbers[layer.name] = {
                str(unit): [one.activation for one in shown[number * starts : (number + 1) * starts]]
                for number, unit in enumerate(units)
            }
            parts = []
            for number, unit in enumerate(units):
                size = max(found[layer.name]["pictures"].shape[1:3])
                tiles = [Tile(one.picture) for one in shown[number * starts : (number + 1) * starts]]
                parts.append(headed(study.called(unit), _square(tiles, size), LABEL))
            height, width = found[layer.name]["pictures"].shape[1:3]
            bands.append(headed(f"{layer.name}: {height}×{width} pixels", stacked(wrapped_rows(parts), 8)))
        caption = (
            f"Network {study.net.name}; each unit's preferred image from seeds 0 to {study.extent.starts - 1}, cut to "
            f"what the unit can see, pixel for pixel; what is smaller than {LEGIBLE} pixels stands beside it enlarged. "
            f"Units: {CHOICE}.\n"
            f"{presets_words(study)}"
        )
        parameters = {layer.name: usual_of(study, layer)[1].as_record() for layer in study.few_layers}
        return Drawn([Page(stacked(bands), caption)], {"activations": numbers}, parameters)


CHOICE = "those named, the paper's classes where the network has them, else evenly spread ones"
"""How `units_of` chooses, as captions say it."""


def usual_of(study: Study, layer: Layer) -> tuple[str, AscentSettings]:
    """Return the preset of a layer's units, and its settings."""
    return study.usual(units_of(study, layer, 1)[0])


def presets_words(study: Study) -> str:
    """Return what a caption says of the presets of all layers, each once with the layers that it is for."""
    layers: dict[str, list[str]] = {}
    words: dict[str, str] = {}
    for layer in study.few_layers:
        name, settings = usual_of(study, layer)
        layers.setdefault(name, []).append(layer.name)
        words[name] = settings_words(settings)
    return "\n".join(f'Preset "{name}" ({", ".join(layers[name])}): {words[name]}.' for name in layers)


def units_of(study: Study, layer: Layer, count: int) -> list[Unit]:
    """Return so many units of a layer: those that were named, or the classes of the other figures, else spread ones."""
    named = [unit for unit in study.chosen_units if unit.layer == layer.name]
    if named:
        return named[:count]
    if layer.name == study.class_layer.name and not study.chosen_units:
        return study.class_units(count)
    return [Unit(layer.name, channel) for channel in evenly(layer.channels, count)]


def _square(tiles: Sequence[Tile], size: int) -> Pixels:
    """Return tiles in two columns at their own size, and enlarged beside it where that is tiny."""
    rows = [tiles[first : first + 2] for first in range(0, len(tiles), 2)]
    if size >= LEGIBLE:
        return grid_sheet(rows, size, gap=2)
    own = grid_sheet([[Tile(tile.picture, missing="") for tile in row] for row in rows], size, gap=2)
    large = [[Tile(None if tile.picture is None else scaled(tile.picture, LEGIBLE)) for tile in row] for row in rows]
    return beside([own, grid_sheet(large, LEGIBLE, gap=2)], 8)


def wrapped_rows(parts: Sequence[Pixels]) -> list[Pixels]:
    """Return pictures side by side, RGB uint8 (H, W, 3), in rows no wider than `WIDEST`."""
    rows: list[list[Pixels]] = [[]]
    for part in parts:
        if rows[-1] and sum(each.shape[1] + 16 for each in rows[-1]) + part.shape[1] > WIDEST:
            rows.append([])
        rows[-1].append(part)
    return [beside(row, 16) for row in rows]
