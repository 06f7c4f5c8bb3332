"""How the window looks: colours, fonts, sizes, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from deepvis_toolbox.drawing.colours import Colour, Palette, blend, ramp_palette
from deepvis_toolbox.drawing.text import Font, text_width

REFERENCE_SIZE = (1500, 930)
"""The window (width, height) at which scale is 1."""
SCALE_RANGE = (0.9, 6.0)
"""Below, text would be too small to read."""


@dataclass(frozen=True)
class Look:
    """Colours are RGB, sizes are pixels at scale 1."""

    scale: float = 1.0
    font_path: str = ""
    """A font file; empty: DejaVu Sans where OpenCV brings it."""
    smooth: bool = True
    """Enlarged maps are interpolated; else every value stays a square."""
    blur_radius: float = 4.0
    """The Gaussian of the view "norm blurred", in input pixels."""

    window: Colour = (17, 19, 23)
    panel: Colour = (25, 28, 33)
    line: Colour = (44, 48, 56)
    text: Colour = (226, 229, 233)
    dim: Colour = (138, 145, 156)
    accent: Colour = (255, 179, 38)
    warning: Colour = (255, 112, 96)
    zero: Colour = (4, 5, 7)
    """An activation of zero: darker than all around it, so that a dead tile is still a tile."""
    full: Colour = (255, 255, 255)
    below_zero: Colour = (64, 132, 232)
    """The most negative activation."""
    negative: Colour = (255, 72, 62)
    positive: Colour = (74, 222, 110)

    text_size: float = 14
    small_size: float = 12
    large_size: float = 19
    margin: float = 12
    gap: float = 10
    """Between panes."""
    caption: float = 26
    row: float = 20
    """Height of one line of a list."""
    status: float = 48
    tile_gap: float = 1.5
    list_width: float = 224
    unit_images_width: float = 280

    def px(self, size: float) -> int:
        """A size at scale 1, in pixels of this window; never less than one pixel."""
        return max(1, round(size * self.scale))

    @cached_property
    def font(self) -> Font:
        return Font(self.px(self.text_size), path=self.font_path)

    @cached_property
    def bold(self) -> Font:
        return Font(self.px(self.text_size), bold=True, path=self.font_path)

    @cached_property
    def small(self) -> Font:
        return Font(self.px(self.small_size), path=self.font_path)

    @cached_property
    def large(self) -> Font:
        return Font(self.px(self.large_size), path=self.font_path)

    @cached_property
    def activation_palette(self) -> Palette:
        """For activations that are never negative: dark to light."""
        return ramp_palette(self.window, (self.zero, self.full))

    @cached_property
    def signed_palette(self) -> Palette:
        """For activations of both signs: zero is dark here too."""
        return ramp_palette(self.window, (self.below_zero, self.zero, self.full))

    @cached_property
    def gradient_palette(self) -> Palette:
        """Negative red, positive green."""
        return ramp_palette(self.window, (self.negative, self.zero, self.positive))

    @cached_property
    def faint(self) -> Colour:
        """Between dim text and its background: tracks of bars, marks without focus."""
        return blend(self.window, self.dim, 0.45)


def look_from(section: Mapping[str, Any], blur_radius: float = Look.blur_radius) -> Look:
    """The look that the settings' section `look` describes. `ToolboxError` where its font cannot be read."""
    look = Look(**section, blur_radius=blur_radius)
    text_width("", look.font)  # now, in one sentence, and not in every pane
    return look


def look_for(look: Look, width: int, height: int, scale: float | None = None) -> Look:
    """The look for a window of `width` × `height` pixels; `scale` None: as large as the window's size suggests."""
    if scale is None:
        scale = min(width / REFERENCE_SIZE[0], height / REFERENCE_SIZE[1])
    bounded = min(max(scale, SCALE_RANGE[0]), SCALE_RANGE[1])
    return look if bounded == look.scale else replace(look, scale=bounded)
