"""A preferred image that starts from a picture, not from noise: what a unit would like more of in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from deepvis_toolbox.measure.where_it_looks import mean_diff
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.files.shown_image import true_colours
from deepvis_toolbox.optimize.method.ascent import Ascent
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.targets import checked_target, objective_of
from deepvis_toolbox.words.images import Frame, RGBImage
from deepvis_toolbox.words.layer import Rect
from deepvis_toolbox.words.unit import Unit


@dataclass(frozen=True, eq=False)
class Accentuation:
    """How far the picture is."""

    image: RGBImage | None
    """RGB uint8 H×W×3, in true colours; None before the first step."""
    step: int
    steps: int
    first: float
    """What is climbed, at the start: the mean of the unit's map below its rectifier, or its value where it has no
    places; of the picture as it is moved and scaled a little before each step."""
    now: float
    note: str = ""
    """Why it does not go on, as a sentence; empty while it does, and where it is done."""


class FromFrame:
    """Climbs from one picture, a step at a time, for the unit's whole map."""

    def __init__(self, network: Network, unit: Unit, image: Frame) -> None:
        """`image`: what the network is given, H×W×bands. `ToolboxError` for a unit that is not there."""
        layer = network.layers[network.layers.canonical(unit.layer)]
        has_places = layer.is_spatial or layer.is_tokens
        target = checked_target(replace(unit, place="mean") if has_places else unit, network)
        preprocessing = network.preprocessing
        values = np.ascontiguousarray(preprocessing.values_of(image))
        settings = _settings(network, unit, torch.from_numpy(values)[None].to(network.device))
        start = torch.from_numpy(preprocessing.to_pixels(values))[None].to(network.device)
        self._network, self._steps = network, settings.max_iter
        self._step, self._objectives = 0, (float("nan"), float("nan"))
        self._x: torch.Tensor | None = None
        ascent = Ascent(network, objective_of([target], network, settings), settings, [0])
        self._climb = ascent.climbing(start, self._watch)
        self.is_finished = False

    def advance(self) -> None:
        """Take one step; nothing where all are taken."""
        if not self.is_finished:
            self.is_finished = next(self._climb, None) is None

    def answer(self) -> Accentuation:
        """Return how far it is."""
        image = None
        if self._x is not None:
            height, width = self._network.input_shape[1:]
            pixels = self._x[0].detach().to("cpu", torch.float32).numpy()
            image = true_colours(pixels, Rect(0, 0, height, width), self._network.preprocessing)
        note = "it went no further: the gradient is zero" if self.is_finished and self._step < self._steps else ""
        return Accentuation(image, self._step, self._steps, *self._objectives, note)

    def _watch(self, step: int, rows: torch.Tensor, x: torch.Tensor, objectives: torch.Tensor) -> None:  # noqa: ARG002
        value = float(objectives[0])
        self._step, self._x = step + 1, x.clone()
        self._objectives = (value if step == 0 else self._objectives[0], value)


FIRST_STEP = 2.0
"""Grey levels, root mean square, that the first step changes the picture by; later ones keep its factor."""
STEPS = 150


def _settings(network: Network, unit: Unit, x: torch.Tensor) -> AscentSettings:
    """Return steps of a size that this unit's gradient suggests, with a little blur and random movement. `x`: the
    picture as network values (1, C, H, W).

    Settings that start from noise, such as a model's preset, take steps that leave nothing of a picture.
    """
    recording = network.record(x, [unit.layer])
    value = recording.activations([unit.layer])[unit.layer]
    diff = mean_diff(value, network.layers[unit.layer].is_tokens, unit.channel)
    gradient = recording.backward(unit.layer, diff)[network.input_name]
    if not gradient.any():
        gradient = network.opened_rectifiers(unit.layer)(x, lambda *_: diff).gradient
    slope = float((gradient * gradient.new_tensor(network.preprocessing.gain.reshape(-1, 1, 1))).square().mean().sqrt())
    rate = FIRST_STEP / slope if slope > 0 and math.isfinite(slope) else 1.0
    return AscentSettings(lr_params={"lr": rate}, max_iter=STEPS, blur_radius=0.5, blur_every=4, robust=1.0)
