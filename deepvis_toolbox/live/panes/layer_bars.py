"""Thin bars in the layer list: one number of each layer, from 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Mapping

from deepvis_toolbox.drawing.colours import Colour, Pixels, blend
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.shapes import fill
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.questions import changed_layers_question
from deepvis_toolbox.live.scene import Scene

STEPS = 100
"""So many lengths of a bar are told apart: the list is drawn again where one changes."""


def changed_layers(scene: Scene) -> Mapping[str, float] | None:
    """Return how much each layer changes, as a share of its size, 0 to 1 at most; None where nothing is changed."""
    answer = scene.answer(changed_layers_question(scene.state))
    if answer is None:
        return None
    return {name: _in_steps(share) for name, share in answer.relative.items()}


def change_colour(look: Look) -> Colour:
    """Return the colour of a bar that says how much a layer changes."""
    return blend(look.panel, look.warning, 0.75)


def draw_layer_bar(pixels: Pixels, share: float, look: Look, colour: Colour) -> None:
    """Draw a bar along the bottom of a layer's row, `pixels`, uint8 (H, W, 3); `share`: 0 to 1 of its width."""
    height, width = pixels.shape[:2]
    thick, left = look.px(2), look.px(10)
    length = round((width - 2 * left) * share)
    if share > 0:
        fill(pixels, Box(height - thick, left, height, left + max(1, length)), colour)


def _in_steps(share: float) -> float:
    """Return the share in steps; a change that is not nothing is at least one of them."""
    if not math.isfinite(share):
        return 1.0
    return min(1.0, math.ceil(share * STEPS) / STEPS)
