"""Naturalness: a picture's colour and contrast beside the ranges of photographs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from deepvis_toolbox.words.images import RGBImage

LUMINANCE = (0.299, 0.587, 0.114)
"""Of red, green and blue (ITU-R BT.601)."""
_LOW, _HIGH = 5, 95
_OUTSIDE = (("grey", "garish"), ("flat", "harsh"))
"""What a picture is whose colour, or whose contrast, lies below its range, or above."""


class Naturalness(NamedTuple):
    """Of one picture, in pixel values of 0 to 255."""

    colour: float
    """The mean over the pixels of the largest of red, green and blue less the smallest: 0 for a grey picture."""
    contrast: float
    """The standard deviation of the luminance."""


class NaturalRange(NamedTuple):
    """Where nine of ten photographs lie: (low, high) of each number."""

    colour: tuple[float, float]
    contrast: tuple[float, float]

    def said_of(self, found: Naturalness) -> str:
        """Return `natural`, or which number lies outside of its range, and on which side: `grey`, `flat`, …"""
        said = [
            low if value < bounds[0] else high
            for (low, high), value, bounds in zip(_OUTSIDE, found, self, strict=True)
            if not bounds[0] <= value <= bounds[1]
        ]
        return ", ".join(said) or "natural"

    def shares_inside(self, found: Sequence[Naturalness]) -> Naturalness:
        """Return of each number for which share of the pictures, 0 to 1, it lies in its range."""
        ranges = np.array(self)
        inside = (np.array(found) >= ranges[:, 0]) & (np.array(found) <= ranges[:, 1])
        return Naturalness(*map(float, inside.mean(0)))


PHOTOGRAPHS = NaturalRange(colour=(7.1, 85.1), contrast=(32.1, 80.1))
"""Of the middle squares, 224×224, of 500 ImageNet photographs, one of every second class."""


def naturalness(picture: RGBImage) -> Naturalness:
    """Return the numbers of a picture, RGB uint8 (H, W, 3)."""
    values = picture.astype(np.float64)
    return Naturalness(float((values.max(2) - values.min(2)).mean()), float((values @ LUMINANCE).std()))


def mean_of(found: Sequence[Naturalness]) -> Naturalness:
    """Return the mean of each number over the pictures."""
    return Naturalness(*map(float, np.mean(found, axis=0)))


def natural_range(pictures: Iterable[RGBImage]) -> NaturalRange:
    """Return the range of the middle nine tenths of these photographs, at least one."""
    found = np.array([naturalness(picture) for picture in pictures])
    low, high = np.percentile(found, [_LOW, _HIGH], axis=0)
    return NaturalRange(*((float(a), float(b)) for a, b in zip(low, high, strict=True)))
