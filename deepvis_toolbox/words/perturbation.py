"""A perturbation: what is done to the picture before the network sees it, to see how far each layer minds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.words.layer import Rect

MIDDLE_GREY = 127
"""Of what is covered or painted grey, halfway between black and white."""


@dataclass(frozen=True)
class Perturbation:
    """Changes to a picture that has the network's input's size; the default changes nothing.

    Carried out in this order: shift, grey, brightness, blur, noise. Raises `ToolboxError` for what is no number, or out
    of its range.
    """

    noise: float = 0.0
    """Standard deviation of Gaussian noise, in grey levels (0 to 255), another one for every frame."""
    blur: float = 0.0
    """Standard deviation of a Gaussian blur, in input pixels."""
    brightness: float = 0.0
    """Grey levels added to every pixel."""
    shift: float = 0.0
    """How far the picture moves to the right, as a share of its width; its left edge is repeated."""
    grey: bool = False
    """Whether all is painted in one grey, halfway between black and white."""
    region: Rect | None = None
    """Where all but the shift is done, in input pixels; the rest stays as it is. None: everywhere."""

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("noise", self.noise, 0.0, 255.0),
            ("blur", self.blur, 0.0, 1000.0),
            ("brightness", self.brightness, -255.0, 255.0),
            ("shift", self.shift, -1.0, 1.0),
        ):
            if not (math.isfinite(value) and low <= value <= high):
                raise ToolboxError(f"the perturbation's {name} is a number from {low:g} to {high:g}, not {value}")

    def __bool__(self) -> bool:
        return any((self.noise, self.blur, self.brightness, self.shift, self.grey))

    def __str__(self) -> str:
        parts = (
            (self.grey, "grey"),
            (self.noise, f"noise {self.noise:g}"),
            (self.blur, f"blur {self.blur:g} px"),
            (self.brightness, f"brightness {self.brightness:+g}"),
        )
        inside = ", ".join(text for value, text in parts if value)
        inside += " in the region" if inside and self.region else ""
        return ", ".join(filter(None, (inside, f"shift {100 * self.shift:g} %" if self.shift else "")))


UNPERTURBED = Perturbation()
