"""The questions that several panes ask, made from the state."""

from __future__ import annotations

from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.request import GrowingAverage, GrowingPictures, MatchedUnits
from deepvis_toolbox.measure import (
    AsItIs,
    BackwardImage,
    ChangedLayers,
    ChangedMaps,
    ClassProbabilities,
    Compared,
    ComparedMaps,
    Difference,
    InputContributions,
    LayerGradients,
    LayerMaps,
)
from deepvis_toolbox.words.backward import CONTRIBUTION_VIEWS
from deepvis_toolbox.words.comparison import OTHER_NETWORK

MapsQuestion = LayerMaps | LayerGradients | ChangedMaps | Difference | ComparedMaps


def maps_question(state: State) -> MapsQuestion | None:
    """Return what the tiles are to show: the layer's activations or gradients, their difference from those of what is
    compared, or changes; None where there are none."""
    if state.layer is None or state.origin is None:
        return None
    if state.view.networks == "B":
        return ComparedMaps(OTHER_NETWORK, state.layer.name)
    if state.reference is not None:
        of_networks = state.reference == OTHER_NETWORK
        asked = LayerMaps(state.layer.name) if of_networks else _values_question(state)
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


def matched_question(state: State) -> MatchedUnits | None:
    """Return which of B's units stand for those of the shown layer, where they are not matched by their numbers."""
    other, layer = state.facts.other, state.layer
    if layer is None or other is None or not other.is_matched or state.view.pinned is not None:
        return None
    return MatchedUnits(layer.name) if layer.name in other.layers else None


def same_scale_question(state: State) -> LayerMaps | ComparedMaps | None:
    """Return the maps with which the tiles share their scale: of two networks, those of the other one. None where they
    share it with none."""
    question, other = maps_question(state), state.facts.other
    if question is None or other is None or question.layer not in other.layers or state.view.pinned is not None:
        return None
    if isinstance(question, ComparedMaps):
        return LayerMaps(question.layer)
    return ComparedMaps(OTHER_NETWORK, question.layer) if isinstance(question, LayerMaps) else None


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


def classes_question(state: State) -> ClassProbabilities | Compared | None:
    """Return the classes that are shown, those of B where that is; None where the network has none."""
    if state.view.networks == "B" and state.facts.other:
        return Compared(OTHER_NETWORK, ClassProbabilities()) if state.facts.other.has_classes else None
    return ClassProbabilities() if state.facts.label_layers else None


def classes_before_question(state: State) -> AsItIs | Compared | None:
    """Return the classes that those now are compared with: the pinned picture's, or the other network's; else, while
    anything is changed, those of the picture as it came. None where there are none."""
    other = state.facts.other
    if not state.facts.label_layers or state.view.networks == "B":
        return None
    if state.reference == OTHER_NETWORK and not (other and other.classes_agree):
        return None
    if state.reference is not None:
        return Compared(state.reference, ClassProbabilities())
    return AsItIs(ClassProbabilities()) if state.view.is_changed else None


def growing_question(state: State) -> GrowingPictures | None:
    """Return the selected unit's pictures, where they are to be made on demand; None where they are not."""
    return GrowingPictures(state.selected) if state.selected in state.orders.grow and state.selected else None
