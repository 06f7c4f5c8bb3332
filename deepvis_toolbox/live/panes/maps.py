"""A layer's maps as palette indices, made once for all panes that show them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.drawing.colours import Palette
from deepvis_toolbox.drawing.levels import Levels, to_levels
from deepvis_toolbox.live import actions_backward
from deepvis_toolbox.live.kept import Same
from deepvis_toolbox.live.panes.caption import missing_note
from deepvis_toolbox.live.panes.questions import maps_question, same_scale_question
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import View
from deepvis_toolbox.measure import ChangedMaps, ComparedMaps, Difference, LayerGradients, LayerMaps, Maps

MapsOf = Literal["activations", "gradients", "changes", "differences"]

_WHAT: dict[type, MapsOf] = {
    LayerMaps: "activations",
    LayerGradients: "gradients",
    ChangedMaps: "changes",
    Difference: "differences",
    ComparedMaps: "activations",
}


@dataclass(frozen=True)
class ShownMaps:
    """What the tiles show: indices, and the palette that gives them colours."""

    layer: str
    values: NDArray[np.float32]
    """(C, H, W) or (C,)."""
    note: str
    """Why they are all zero, as a sentence."""
    levels: Levels
    palette: Palette
    what: MapsOf
    others: NDArray[np.float32] | None
    """(C, tokens): the values of class tokens and registers, which have no place; None where there are none."""
    is_stale: bool
    """They answer what was asked before, not what the state asks for now."""

    @property
    def is_flat(self) -> bool:
        """Whether every map is one value: the layer has no places, or one."""
        return self.values.size == len(self.values)


def shown_maps(scene: Scene) -> ShownMaps | None:
    """Return the newest maps that came, with the state's boosts; None where there are none."""
    wanted = maps_question(scene.state)
    found = scene.snapshot.newest(wanted, tuple(_WHAT)) if scene.snapshot and wanted else None
    if found is None or found[1].maps.size == 0:
        return None
    question, answer = found
    what, view = _WHAT[type(question)], scene.state.view
    is_signed = what != "activations"
    beside = scene.answer(same_scale_question(scene.state)) if question == wanted else None
    levels = scene.kept.value(
        "levels",
        (Same(answer.maps), Same(beside), is_signed, view.gamma, view.channel_boost),
        lambda: _levels(answer, beside, view, is_signed),
    )
    if is_signed:
        palette = scene.look.gradient_palette
    else:
        palette = scene.look.signed_palette if levels.signed else scene.look.activation_palette
    is_stale = question != wanted
    return ShownMaps(question.layer, answer.maps, answer.note, levels, palette, what, answer.others, is_stale)


def _levels(shown: Maps, beside: Maps | None, view: View, is_signed: bool) -> Levels:
    """Return the maps as palette indices; where others lie beside them, both have one scale."""
    signed = True if is_signed else None
    if beside is None or beside.maps.shape != shown.maps.shape:
        return to_levels(shown.maps, view.gamma, view.channel_boost, signed)
    levels = to_levels(np.concatenate([shown.maps, beside.maps]), view.gamma, view.channel_boost, signed)
    not_finite = int(shown.maps.size - np.isfinite(shown.maps).sum()) if levels.not_finite else 0
    return replace(levels, indices=levels.indices[: len(shown.maps)], not_finite=not_finite)


def no_maps_note(scene: Scene) -> str:
    """Return why there are no maps that answer what the state asks for."""
    view = scene.state.view
    if view.show_gradients and view.backward == "off" and maps_question(scene.state) is None and scene.state.layer:
        return f"gradients need a backward pass; press {scene.keys.label_for(actions_backward.cycle_backward)}"
    return missing_note(scene, maps_question(scene.state))
