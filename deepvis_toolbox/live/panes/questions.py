"""The questions that several panes ask, made from the state."""

from __future__ import annotations

from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.request import GrowingAverage, GrowingPictures
from deepvis_toolbox.measure import (
    AsItIs,
    BackwardImage,
    ChangedLayers,
    ChangedMaps,
    ClassProbabilities,
    InputContributions,
    LayerGradients,
    LayerMaps,
)
from deepvis_toolbox.words.backward import CONTRIBUTION_VIEWS


def maps_question(state: State) -> LayerMaps | LayerGradients | ChangedMaps | None:
    """Return what the tiles are to show: the layer's activations, gradients, or changes; None where there are none."""
    if state.layer is None or state.origin is None:
        return None
    if state.view.tiles_show == "changes":
        return ChangedMaps(state.layer.name, state.view.edits)
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


def changed_layers_question(state: State) -> ChangedLayers | None:
    """Return how much each layer changes, while the network is edited or its input perturbed; else None."""
    if not state.view.is_changed:
        return None
    return ChangedLayers(tuple(layer.name for layer in state.facts.layers), state.view.edits)


def classes_before_question(state: State) -> AsItIs | None:
    """Return the classes of the picture as it came, while anything is changed and the network has classes."""
    return AsItIs(ClassProbabilities()) if state.view.is_changed and state.facts.label_layers else None


def growing_question(state: State) -> GrowingPictures | None:
    """Return the selected unit's pictures, where they are to be made on demand; None where they are not."""
    return GrowingPictures(state.selected) if state.selected in state.orders.grow and state.selected else None
