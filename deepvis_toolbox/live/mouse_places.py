"""What the mouse points at, and how far it was dragged, as plain data."""

from __future__ import annotations

from typing import NamedTuple

from deepvis_toolbox.words.unit import Unit


class MapPlace(NamedTuple):
    """A place of a layer's maps."""

    layer: str
    row: int
    column: int


class InputPixel(NamedTuple):
    """A pixel of the picture as the network sees it."""

    y: int
    x: int


class Stroke(NamedTuple):
    """How far the mouse has been dragged, in pixels of the window."""

    right: int
    down: int
    shift: bool
    """Whether Shift is held."""
    is_over: bool
    """Whether the button has been let go."""


class Hovered(NamedTuple):
    """A unit under the mouse, and where in the window the mouse came upon it."""

    unit: Unit
    with_pictures: bool
    """Whether its preferred images are shown there."""
    x: int
    y: int
