"""A layer's maps as palette indices, made once for all panes that show them."""

from __future__ import annotations

from dataclasses import dataclass

from deepvis_toolbox.drawing.colours import Palette
from deepvis_toolbox.drawing.levels import Levels, to_levels
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.snapshot import Snapshot
from deepvis_toolbox.live.state import State


@dataclass(frozen=True)
class ShownMaps:
    """What the tiles show: indices, and the palette that gives them colours."""

    levels: Levels
    palette: Palette
    is_flat: bool
    """The layer has no places: every map is one value."""


_kept: tuple[Snapshot, float, float, Levels] | None = None


def shown_maps(state: State, snapshot: Snapshot, look: Look) -> ShownMaps | None:
    """The snapshot's maps with the state's boosts; None where it has none."""
    maps = snapshot.maps
    if maps is None or maps.size == 0:
        return None
    levels = _levels(snapshot, state.gamma, state.channel_boost)
    if snapshot.request.show_gradients:
        palette = look.gradient_palette
    else:
        palette = look.signed_palette if levels.signed else look.activation_palette
    return ShownMaps(levels, palette, maps.ndim == 1)


def _levels(snapshot: Snapshot, gamma: float, channel_boost: float) -> Levels:
    """The last result is kept: two panes show the same maps, and a still picture is drawn many times."""
    global _kept
    if _kept is None or _kept[0] is not snapshot or _kept[1:3] != (gamma, channel_boost):
        assert snapshot.maps is not None
        signed = True if snapshot.request.show_gradients else None
        _kept = (snapshot, gamma, channel_boost, to_levels(snapshot.maps, gamma, channel_boost, signed))
    return _kept[3]


def is_stale(state: State, snapshot: Snapshot) -> bool:
    """Whether the snapshot's maps are not the ones that the state asks for."""
    request, layer, origin = snapshot.request, state.layer, state.origin
    if layer is None or request.layer != layer.name or request.show_gradients != state.show_gradients:
        return True
    if not state.show_gradients or origin is None:
        return False
    return (request.backward, request.origin_layer, request.origin_unit) != (state.backward, origin.layer, origin.unit)
