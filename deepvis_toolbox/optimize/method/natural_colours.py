"""Natural colours: the mean and the deviation of an image's colours are held inside the range of photographs.

In decorrelated colours (Olah, Mordvintsev & Schubert 2017), which vary each by itself in photographs: nearly the
brightness, blue less red, and both less green.
"""

from __future__ import annotations

import re

import numpy as np
import torch

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.canvas import canvas_of
from deepvis_toolbox.optimize.method.objective import Objective
from deepvis_toolbox.optimize.method.parametrization import COLOUR_COVARIANCE
from deepvis_toolbox.optimize.method.seen_places import seen_places
from deepvis_toolbox.optimize.method.windows import cut
from deepvis_toolbox.words.layer import Rect

_VECTORS = np.linalg.eigh(COLOUR_COVARIANCE)[1].T[::-1]
DECORRELATED = _VECTORS * np.sign(_VECTORS[:, 2:])
"""float64 (3, 3), from red, green and blue to brightness, blue less red, both less green: orthonormal."""
MIDDLE = 127.5
"""Of the pixel values; colours count from here."""
MEANS = ((-104.1, 76.3), (-51.2, 18.7), (-20.3, 10.5))
"""Of each decorrelated colour: where the means of nine of ten photographs lie (the middle squares, 224×224, of 500
ImageNet photographs, one of every second class)."""
DEVIATIONS = ((53.5, 138.1), (6.0, 44.9), (1.8, 22.7))
"""The same of their deviations over places."""
GROWTH = 1.01
"""A deviation below the range grows by no more than this in one step: it is noise that would grow."""


class NaturalColours:
    """Moves the colours of images towards the nearest that photographs have; those inside their range stay."""

    def __init__(self, strength: float, canvas: Preprocessing, region: Rect | None, device: torch.device) -> None:
        """`strength`: 1 goes all the way, a half goes half of it. `canvas`: of the images. `region`: the part of them
        that counts, inside; None: all. `ToolboxError` where no three channels are red, green and blue."""
        self._strength, self._region = strength, region
        self._triples = _triples(canvas)
        if not self._triples:
            raise ToolboxError("natural_colours is for images in colour, and this network takes none; leave it out")
        self._mean = torch.tensor(canvas.mean_map, dtype=torch.float32, device=device)
        self._mix = torch.tensor(DECORRELATED.copy(), dtype=torch.float32, device=device)
        self._means, self._deviations = (torch.tensor(each, device=device) for each in (MEANS, DEVIATIONS))

    def applied(self, x: torch.Tensor) -> torch.Tensor:
        """Return the images, zero-centred pixels, float32 (N, C, H, W), with their colours moved."""
        found = x.clone()
        for triple in self._triples:
            own = x[:, triple]
            colours = torch.einsum("dc,nchw->ndhw", self._mix, own + self._mean[triple] - MIDDLE)
            change = torch.einsum("dc,ndhw->nchw", self._mix, self._moved(colours) - colours)
            found[:, triple] = own + self._strength * change
        return found

    def _moved(self, colours: torch.Tensor) -> torch.Tensor:
        part = cut(colours, self._region).flatten(2)
        mean = part.mean(2)
        deviation = (part - mean[..., None]).square().mean(2).sqrt()
        wanted = deviation.clamp(self._deviations[:, 0], self._deviations[:, 1])
        times = (wanted / deviation.clamp_min(1e-6)).clamp_max(GROWTH)
        middle = mean.clamp(self._means[:, 0], self._means[:, 1])
        return (colours - mean[..., None, None]) * times[..., None, None] + middle[..., None, None]


def natural_colours_for(net: Network, objective: Objective, settings: AscentSettings) -> NaturalColours | None:
    """Return what the settings ask for; None for nothing. Of a unit that sees a part of the image, this part counts."""
    if not settings.natural_colours:
        return None
    seen = None
    if not settings.views:
        seen = seen_places(net, objective.layers[-1], getattr(objective, "place", None))
    canvas = canvas_of(settings, net.preprocessing)
    region = None if seen is None else _inside(seen.field, canvas.size)
    return NaturalColours(settings.natural_colours, canvas, region, net.device)


def _inside(field: Rect, size: tuple[int, int]) -> Rect:
    return Rect(max(field.top, 0), max(field.left, 0), min(field.bottom, size[0]), min(field.right, size[1]))


def _triples(canvas: Preprocessing) -> list[list[int]]:
    """Return the channels that are red, green and blue, in this order."""
    found, start = [], 0
    for fills in re.findall("RGB|BGR|.", canvas.fills):
        own = [*range(start, start := start + len(fills))]
        if len(fills) == 3:
            found.append(own if fills == "RGB" else own[::-1])
    return found
