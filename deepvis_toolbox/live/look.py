"""How the window looks: colours, fonts, sizes, in one place."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from deepvis_toolbox.drawing.colours import Colour, Palette, blend, ramp_palette
from deepvis_toolbox.drawing.text import Font, text_width
from deepvis_toolbox.settings.sections import LookSettings

REFERENCE_SIZE = (1500, 930)
"""The window (width, height) at which scale is 1."""
SCALE_RANGE = (0.9, 6.0)
"""Below, text would be too small to read."""


class Look(LookSettings):
    """The section `look` of the settings, for a window of a certain size: colours are RGB, sizes pixels at scale 1."""

    scale: float = 1.0
    is_stacked: bool = False
    """Panes lie above each other, as a screen that is higher than wide asks; the page beside them tells the status."""
    blur_radius: float = 4.0
    """The Gaussian of the view "norm blurred", in input pixels."""

    def px(self, size: float) -> int:
        """Return a size at scale 1, in pixels of this window; never less than one pixel."""
        return max(1, round(size * self.scale))

    def at_scale(self, scale: float) -> Look:
        """Return the same look, larger or smaller."""
        return self._with(scale=scale)

    def stacked(self, is_stacked: bool) -> Look:
        """Return the same look with panes above each other, or beside each other."""
        return self if is_stacked == self.is_stacked else self._with(is_stacked=is_stacked)

    def _with(self, **changed: Any) -> Look:
        return Look(**{name: getattr(self, name) for name in type(self).model_fields} | changed)

    @cached_property
    def font(self) -> Font:
        """The font of text."""
        return Font(self.px(self.text_size), path=self.font_path)

    @cached_property
    def bold(self) -> Font:
        """The bold font of text."""
        return Font(self.px(self.text_size), bold=True, path=self.font_path)

    @cached_property
    def small(self) -> Font:
        """The font of text of less weight."""
        return Font(self.px(self.small_size), path=self.font_path)

    @cached_property
    def large(self) -> Font:
        """The font of headings."""
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
        """Negative and positive in colours that the colour-blind tell apart."""
        return ramp_palette(self.window, (self.negative, self.zero, self.positive))

    @cached_property
    def faint(self) -> Colour:
        """Between dim text and its background: tracks of bars, marks without focus."""
        return blend(self.window, self.dim, 0.45)


def look_from(section: LookSettings, blur_radius: float = 4.0) -> Look:
    """Return the look that the settings describe. `ToolboxError` where its font cannot be read."""
    look = Look(**dict(section), blur_radius=blur_radius)
    text_width("", look.font)  # now, in one sentence, and not in every pane
    return look


def look_for(look: Look, width: int, height: int, scale: float | None = None) -> Look:
    """Return the look for a window of `width` × `height` pixels; `scale` None: as large as the window's size
    suggests."""
    if scale is None:
        scale = min(width / REFERENCE_SIZE[0], height / REFERENCE_SIZE[1])
    bounded = min(max(scale, SCALE_RANGE[0]), SCALE_RANGE[1])
    return look if bounded == look.scale else look.at_scale(bounded)
