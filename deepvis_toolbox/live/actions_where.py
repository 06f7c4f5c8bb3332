"""Actions of what lies over the input picture."""

from __future__ import annotations

from collections.abc import Callable

from deepvis_toolbox.live.state import OVERLAYS, Overlay, State
from deepvis_toolbox.words.layer import Layer


def cycle_overlay(state: State) -> None:
    """Lay the next of these over the input picture: nothing, where the unit is active, heat, Grad-CAM, gradient; of a
    transformer, too: attention, rollout, token norm; of a segmentation, its classes."""
    known = [overlay for overlay in OVERLAYS if _is_known(state, overlay)]
    place = known.index(state.view.overlay) if state.view.overlay in known else -1
    state.view.overlay = known[(place + 1) % len(known)]


def attending_layer(state: State) -> Layer | None:
    """Return the layer whose attention is shown: the shown one or the nearest below, else the first above; None where
    no layer tells attention."""
    return _nearest(state, lambda layer: layer.tells_attention or layer.attends_in_windows)


def layer_of_classes(state: State) -> Layer | None:
    """Return the layer that gives classes at every place; None where there is none."""
    return _nearest(state, lambda layer: layer.has_class_map)


def layer_of_tokens(state: State, count: int | None = None) -> Layer | None:
    """Return the layer whose tokens are meant, so many of them: the shown one or the nearest below, else the first
    above; None where no layer has such tokens on a grid."""
    return _nearest(state, lambda layer: layer.token_grid is not None and count in (None, layer.shape[0]))


def _nearest(state: State, is_meant: Callable[[Layer], bool]) -> Layer | None:
    layers, at = state.facts.layers, state.view.layer_index + 1
    return next(filter(is_meant, (*reversed(layers[:at]), *layers[at:])), None)


def _is_known(state: State, overlay: Overlay) -> bool:
    if overlay in ("attention", "rollout"):
        attending = attending_layer(state)
        return attending is not None and (attending.attends_in_windows or layer_of_tokens(state) is not None)
    if overlay == "classes":
        return layer_of_classes(state) is not None
    return overlay != "token norm" or layer_of_tokens(state) is not None
