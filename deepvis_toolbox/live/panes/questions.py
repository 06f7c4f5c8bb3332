"""The questions that several panes ask, made from the state."""

from __future__ import annotations

from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.request import GrowingAverage, GrowingPictures
from deepvis_toolbox.measure import BackwardImage, InputContributions, LayerGradients, LayerMaps
from deepvis_toolbox.words.backward import CONTRIBUTION_VIEWS


def maps_question(state: State) -> LayerMaps | LayerGradients | None:
    """Return what the tiles are to show: the layer's activations, or gradients; None where there can be neither."""
    if state.layer is None or state.origin is None:
        return None
    if not state.view.show_gradients:
        return LayerMaps(state.layer.name)
    if state.view.backward == "off":
        return None
    return LayerGradients(state.layer.name, state.origin, state.view.backward)


BackwardQuestion = BackwardImage | InputContributions | GrowingAverage


def backward_question(state: State) -> BackwardQuestion | None:
    """Return what the backward pane is to show; None where the backward pass is off."""
    if state.origin is None or state.view.backward == "off":
        return None
    asked = (state.origin.layer, state.origin.channel, state.view.backward)
    if state.view.backward_view not in CONTRIBUTION_VIEWS:
        return BackwardImage(*asked)
    return (
        GrowingAverage(InputContributions(*asked))
        if state.view.backward_view == "averaged"
        else InputContributions(*asked)
    )


def growing_question(state: State) -> GrowingPictures | None:
    """Return the selected unit's pictures, where they are to be made on demand; None where they are not."""
    return GrowingPictures(state.selected) if state.selected in state.orders.grow and state.selected else None
