"""A training that is watched: the selected unit over the checkpoints, and which weights are shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.levels import to_levels
from deepvis_toolbox.drawing.pictures import paint_map, paint_picture
from deepvis_toolbox.drawing.shapes import clear
from deepvis_toolbox.drawing.text import draw_text
from deepvis_toolbox.live.panes.caption import body_of, draw_badge, draw_caption, draw_note, missing_note
from deepvis_toolbox.live.panes.pane import Pane, Slot
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.request import TrainingOf
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.live.work.training_progress import FormerTile, TrainingProgress
from deepvis_toolbox.measure.measurement import Question


class FilmStripPane(Pane):
    """Below the others at the left, as long as a training is watched; the newest weights at the right."""

    name = "training"
    slot = Slot.LEFT
    fixed_height = 146

    def is_shown(self, state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG002
        """Return whether a training is watched."""
        return state.facts.is_training

    def needs(self, state: State) -> Iterable[Question[Any]]:
        """Return the question of the selected unit over the checkpoints."""
        return () if state.selected is None else (TrainingOf(state.selected),)

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the strip: maps, all on one scale, above the preferred images; or say why there is none."""
        look, body = scene.look, body_of(pixels, scene.look)
        clear(body, look.panel)
        found = scene.snapshot.newest(None, (TrainingOf,)) if scene.snapshot else None
        progress: TrainingProgress | None = found[1] if found else None
        draw_caption(pixels, look, "training", progress.checkpoint if progress else "")
        if progress is None or not progress.film:
            draw_note(body, look, missing_note(scene))
            return
        self._draw_strip(body, progress.film, scene)
        if progress.note:
            draw_badge(body, look, progress.note, colour=look.warning)

    def _draw_strip(self, body: Pixels, film: tuple[FormerTile, ...], scene: Scene) -> None:
        look = scene.look
        gap = look.px(look.tile_gap) + 1
        side = max(1, (body.shape[0] - look.small.line_height - look.px(6) - gap) // 2)
        count = max(1, (body.shape[1] + gap) // (side + gap))
        shown = film[-count:]
        maps = [each.map if each.map.ndim == 2 else each.map.reshape(1, -1) for each in shown]
        same = [each for each in maps if each.shape == maps[-1].shape]  # a network of another size has begun anew
        levels = to_levels(np.stack(same))
        palette = look.signed_palette if levels.signed else look.activation_palette
        for place, (each, indices) in enumerate(zip(shown[-len(same) :], levels.indices, strict=True)):
            left = place * (side + gap)
            paint_map(body[:side, left : left + side], indices, palette, look.smooth)
            if each.preferred is not None:
                paint_picture(body[side + gap : 2 * side + gap, left : left + side], each.preferred)
            number = each.checkpoint.partition(" ")[0]
            baseline = 2 * side + gap + look.px(3) + look.small.ascent
            draw_text(body, number, left + side // 2, baseline, look.small, look.dim, "centre", side)
