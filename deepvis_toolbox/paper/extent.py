"""How much of a figure is made: the paper's own amounts, what takes minutes, and the least that still is a figure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extent:
    """The amounts of all figures; those that a network does not reach are all that it has."""

    name: str
    steps: int
    """Of an ascent at most; presets that take fewer keep theirs."""
    pictures: int
    """That are shown of those looked at (figure 2)."""
    strengths: int
    """Of each regularizer, from none to the strongest (figure 3)."""
    seeds: int
    """Of the one class, and `other_seeds` of each of `others` more, to choose from (figure 4)."""
    others: int
    other_seeds: int
    layers: int
    units: int
    """Of each layer at true size, from so many `starts` (figure 5)."""
    starts: int
    sheet_units: int
    """Of a layer's sheet (figure S1)."""
    trials: int
    """Random sets of parameters (table 1)."""
    classes: int
    """Whose results' spectra are measured (section S1)."""


FULL = Extent("full", 1000, 8, 9, 9, 8, 3, 8, 6, 4, 64, 300, 8)
QUICK = Extent("quick", 100, 8, 5, 9, 2, 2, 6, 2, 4, 16, 8, 3)
SMALLEST = Extent("smallest", 3, 2, 2, 2, 1, 1, 3, 1, 2, 2, 2, 1)
