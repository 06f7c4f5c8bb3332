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
    Compared,
    Difference,
    InputContributions,
    LayerGradients,
    LayerMaps,
)
from deepvis_toolbox.words.backward import CONTRIBUTION_VIEWS

MapsQuestion = LayerMaps | LayerGradients | ChangedMaps | Difference


def maps_question(state: State) -> MapsQuestion | None:
    """Return what the tiles are to show: the layer's activations or gradients, their difference from those of what is
    compared, or changes; None where there are none."""
    if state.layer is None or state.origin is None:
        return None
    if state.reference is not None:
        asked = _values_question(state)
        return None if asked is None else Difference(state.reference, asked)
    if state.view.tiles_show == "changes":
        return ChangedMaps(state.layer.name, state.view.edits)
    return _values_question(state)


def _values_question(state: State) -> LayerMaps | LayerGradients | None:
    assert state.layer is not None
    assert state.origin is not None
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


def classes_before_question(state: State) -> AsItIs | Compared | None:
    """Return the classes that those now are compared with: the pinned picture's; else, while anything is changed, those
    of the picture as it came. None where there are none."""
    if not state.facts.label_layers:
        return None
    if state.reference is not None:
        return Compared(state.reference, ClassProbabilities())
    return AsItIs(ClassProbabilities()) if state.view.is_changed else None


def growing_question(state: State) -> GrowingPictures | None:
    """Return the selected unit's pictures, where they are to be made on demand; None where they are not."""
    return GrowingPictures(state.selected) if state.selected in state.orders.grow and state.selected else None
