"""Pictures and small records for notebooks and scripts: what the live window shows, of one picture.

from deepvis_toolbox import load_network, show_layer, show_unit, explain

net = load_network()
show_layer(net, "cat.jpg", "block5.add")            # all its units, as a PIL picture
show_unit(net, "cat.jpg", "fc:tabby", "guided")     # the picture, where the unit fires, where that comes from
explain(net, "cat.jpg")                             # the classes, and what speaks for the likeliest one
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepvis_toolbox.drawing.backward_views import backward_picture
from deepvis_toolbox.drawing.colours import Pixels, ramp_palette
from deepvis_toolbox.drawing.grid import fit_grid
from deepvis_toolbox.drawing.levels import Levels, to_levels
from deepvis_toolbox.drawing.pictures import paint_map, paint_picture
from deepvis_toolbox.drawing.tiles import paint_tiles
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.measure.backward_image import BackwardImage
from deepvis_toolbox.measure.class_probabilities import ClassProbabilities
from deepvis_toolbox.measure.contributors import Contributors
from deepvis_toolbox.measure.layer_maps import LayerMaps
from deepvis_toolbox.measure.session import Session
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.settings.sections import LookSettings
from deepvis_toolbox.sources.picture_process import decode_apart
from deepvis_toolbox.words.backward import BackwardMode, BackwardView
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.unit import Unit, parse_unit

Picture = str | Path | Image.Image | RGBImage
"""A file, a PIL picture, or RGB uint8 H×W×3."""

_LOOK = LookSettings()
_GAP = 4


def show_layer(net: Network, picture: Picture, layer: str, size: tuple[int, int] = (900, 600)) -> Image.Image:
    """Return the activations of all units of a layer as tiles, in an RGB picture of at most `size` (width, height).

    Where values may be negative, zero is dark and both signs have colours. Raises `ToolboxError` for a layer that the
    network does not have, and for a picture that cannot be read.
    """
    name = net.layers.canonical(layer)
    levels = to_levels(Session(net).take(pixels_of(picture), LayerMaps(name)).maps)
    width, height = size
    grid = fit_grid(len(levels.indices), levels.indices.shape[1:], (height, width), _GAP)  # type: ignore[arg-type]
    canvas = _canvas(height, width)
    paint_tiles(canvas, levels.indices, grid, _palette(levels))
    return Image.fromarray(canvas[: grid.height, : grid.width].copy())


def show_unit(
    net: Network,
    picture: Picture,
    unit: str | Unit,
    mode: BackwardMode = "grad",
    view: BackwardView = "norm blurred",
    side: int = 300,
) -> Image.Image:
    """Return three pictures side by side, each `side` pixels high and wide at most: the picture as the network sees it,
    the unit's map, and what a backward pass from the unit, with its own map, brings to the input.

    `unit`: an address such as `block5.add:3` or `fc:tabby`. Raises `ToolboxError` for one that does not exist.
    """
    asked = parse_unit(str(unit), net.layers, net.class_names)
    maps, gradient = LayerMaps(asked.layer), BackwardImage(asked.layer, asked.channel, mode)
    taken = Session(net).take_all(pixels_of(picture), [maps, gradient])
    levels = to_levels(taken.answers[maps].maps)
    canvas = _canvas(side, 3 * side + 2 * _GAP)
    places = [canvas[:, start : start + side] for start in range(0, canvas.shape[1], side + _GAP)]
    paint_picture(places[0], taken.image)
    paint_map(places[1], levels.indices[asked.channel], _palette(levels))
    paint_picture(places[2], backward_picture(taken.answers[gradient].image, view))
    return Image.fromarray(canvas)


@dataclass(frozen=True)
class Explanation:
    """What a network says of a picture, and what speaks for it. Printed, it is a short text."""

    classes: tuple[tuple[str, float], ...]
    """(name, probability 0 to 1), likeliest first; empty where the network has no classes."""
    unit: Unit
    value: float
    """The unit's value below its rectifier, at its strongest place."""
    contributors: tuple[tuple[Unit, float], ...]
    """(unit, its share of all contributions, −1 to 1), largest first: activation × derivative over all places."""
    remainder: float
    """What is left of the value without all contributions, of units not listed too: biases, what is not linear."""

    def __str__(self) -> str:
        lines = [f"{100 * probability:5.1f} %  {name}" for name, probability in self.classes]
        lines += [
            f"{self.unit} is {self.value:.4g}, of which {self.remainder:.4g} comes from no unit; what feeds it most:"
        ]
        return "\n".join([*lines, *(f"{100 * share:+6.1f} %  {unit}" for unit, share in self.contributors)])

    __repr__ = __str__


def explain(net: Network, picture: Picture, unit: str | Unit | None = None, top: int = 5) -> Explanation:
    """Return the likeliest classes of a picture, and the units that make a unit as active as it is.

    `unit`: an address; None: the likeliest class, where it is computed (before a softmax). `top`: how many classes and
    units. Raises `ToolboxError` for a unit that does not exist, and without one where the network has no classes.
    """
    pixels, session = pixels_of(picture), Session(net)
    classes: tuple[tuple[str, float], ...] = ()
    best: list[int] = []
    if net.probability_layer is not None:
        answer = session.take(pixels, ClassProbabilities())
        best = answer.best(top)
        classes = tuple((_name(net, index), float(answer.probabilities[index])) for index in best)
    if unit is None:
        if not best:
            raise ToolboxError(f"{net.name} has no label layer; say which unit to explain, such as layer:0")
        asked = Unit(net.label_layers[0], best[0])
    else:
        asked = parse_unit(str(unit), net.layers, net.class_names)
    found = session.take(pixels, Contributors(asked.layer, asked.channel, top))
    shares = tuple(zip(found.units, map(float, found.shares), strict=True))
    return Explanation(classes, asked, found.value, shares, found.remainder)


def _name(net: Network, index: int) -> str:
    return net.labels[index] if index < len(net.labels) else f"class {index}"


def pixels_of(picture: Picture) -> RGBImage:
    """Return a picture as RGB uint8 H×W×3. `ToolboxError` where it is none."""
    if isinstance(picture, (str, Path)):
        return decode_apart(Path(picture))
    pixels = np.asarray(picture.convert("RGB") if isinstance(picture, Image.Image) else picture)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ToolboxError(f"a picture is RGB, uint8, H×W×3, not {pixels.dtype} {'×'.join(map(str, pixels.shape))}")
    return pixels


def _canvas(height: int, width: int) -> Pixels:
    return np.full((height, width, 3), _LOOK.window, np.uint8)


def _palette(levels: Levels) -> NDArray[np.uint8]:
    colours = (_LOOK.below_zero, _LOOK.zero, _LOOK.full) if levels.signed else (_LOOK.zero, _LOOK.full)
    return ramp_palette(_LOOK.window, colours)
