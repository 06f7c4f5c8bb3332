"""A layer's maps as palette indices, made once for all panes that show them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.drawing.colours import Palette
from deepvis_toolbox.drawing.levels import Levels, to_levels
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot


@dataclass(frozen=True)
class ShownMaps:
    """What the tiles show: indices, and the palette that gives them colours."""

    levels: Levels
    palette: Palette
    is_flat: bool
    """The layer has no places: every map is one value."""


class _LastLevels:
    """The last result is kept: two panes show the same maps, and a still picture is drawn many times."""

    def __init__(self) -> None:
        self._made_from: tuple[Snapshot, float, float] | None = None
        self._levels: Levels | None = None

    def of(self, snapshot: Snapshot, maps: NDArray[np.float32], gamma: float, channel_boost: float) -> Levels:
        last = self._made_from
        if self._levels is None or last is None or last[0] is not snapshot or last[1:] != (gamma, channel_boost):
            signed = True if snapshot.request.show_gradients else None
            self._levels = to_levels(maps, gamma, channel_boost, signed)
            self._made_from = (snapshot, gamma, channel_boost)
        return self._levels


_last = _LastLevels()


def shown_maps(state: State, snapshot: Snapshot, look: Look) -> ShownMaps | None:
    """The snapshot's maps with the state's boosts; None where it has none."""
    maps = snapshot.maps
    if maps is None or maps.size == 0:
        return None
    levels = _last.of(snapshot, maps, state.gamma, state.channel_boost)
    if snapshot.request.show_gradients:
        palette = look.gradient_palette
    else:
        palette = look.signed_palette if levels.signed else look.activation_palette
    return ShownMaps(levels, palette, maps.ndim == 1)


def is_stale(state: State, snapshot: Snapshot) -> bool:
    """Whether the snapshot's maps are not the ones that the state asks for."""
    request, layer, origin = snapshot.request, state.layer, state.origin
    if layer is None or request.layer != layer.name or request.show_gradients != state.show_gradients:
        return True
    if not state.show_gradients or origin is None:
        return False
    return (request.backward, request.origin_layer, request.origin_unit) != (state.backward, origin.layer, origin.unit)
