"""Carries out edits: what a layer's value becomes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import fx

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.layer_nodes import LayerNodes
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.layer import Layer, Layers

Change = Callable[[torch.Tensor], torch.Tensor]
"""change(value of a layer, (N, …)) -> a new tensor of the same shape."""


def changes_of(edits: Iterable[Edit], layers: Layers, nodes: Mapping[str, LayerNodes]) -> dict[fx.Node, Change]:
    """Return what becomes of each edited layer's value, several edits of one in their order.

    Raises `ToolboxError` for a layer or a unit that is not there, and for values that do not fit it.
    """
    by_layer: dict[str, list[Edit]] = defaultdict(list)
    for edit in edits:
        layer = layers[layers.canonical(edit.layer)]
        check_edit(edit, layer)
        by_layer[layer.name].append(edit)
    return {nodes[name].value: _change(layers[name], own) for name, own in by_layer.items()}


def joined_changes(first: Mapping[fx.Node, Change], then: Mapping[fx.Node, Change]) -> dict[fx.Node, Change]:
    """Return both, one after the other where a layer has two."""

    def both(node: fx.Node) -> Change:
        return lambda value: then[node](first[node](value))

    return {**first, **then, **{node: both(node) for node in first.keys() & then.keys()}}


def check_edit(edit: Edit, layer: Layer) -> None:
    """Raise `ToolboxError` where the layer lacks one of the units, or the values do not fit."""
    if layer.added_to:
        raise ToolboxError(
            f'the added layer "{layer.name}" cannot be edited: nothing of the network reads it; edit "{layer.added_to}"'
            " (add a direction to its units, say)"
        )
    bad = next((unit for unit in edit.units if not 0 <= unit < layer.channels), None)
    if bad is not None:
        raise ToolboxError(f'layer "{layer.name}" has units 0 to {layer.channels - 1}, not {bad}')
    if edit.value is not None:
        _fitted(torch.from_numpy(edit.value.copy()), edit, layer)


def _change(layer: Layer, edits: Sequence[Edit]) -> Change:
    def change(value: torch.Tensor) -> torch.Tensor:
        for edit in edits:
            value = _edited(value, layer, edit)
        return value

    return change


def _edited(value: torch.Tensor, layer: Layer, edit: Edit) -> torch.Tensor:
    """Return a copy, (N, …), in which the edit's units are changed."""
    axis = -1 if layer.is_tokens else 1
    units = torch.tensor(edit.units, device=value.device)
    own = value.index_select(axis, units)
    if edit.what == "zero":
        changed = torch.zeros_like(own)
    else:
        given = _fitted(torch.from_numpy(edit.value.copy()).to(own), edit, layer)
        if given.shape[:1] not in ((1,), value.shape[:1]):
            raise ToolboxError(f"the value of the edit of {edit.layer} is for {len(given)} images, not {len(value)}")
        changed = {"scale": own * given, "add": own + given, "paste": given.expand_as(own)}[edit.what]
    return value.index_copy(axis, units, changed)


def _fitted(given: torch.Tensor, edit: Edit, layer: Layer) -> torch.Tensor:
    """Return an edit's value with the axes of the units' values, (1 or N, …), each as long as theirs or 1."""
    count, axis = len(edit.units), -1 if layer.is_tokens else 0
    whole = list(layer.shape)
    chosen = whole.copy()
    chosen[axis] = count
    if given.ndim == 0:
        return given.reshape([1] * (1 + len(whole)))
    if list(given.shape) == [count]:
        alone = [1] * len(whole)
        alone[axis] = count
        return given.reshape([1, *alone])
    if layer.is_spatial and list(given.shape) == whole[1:]:
        return given[None, None]
    if given.ndim == len(whole):
        given = given[None]
    if given.ndim == 1 + len(whole):
        if list(given.shape[1:]) == chosen:
            return given
        if list(given.shape[1:]) == whole:
            units = torch.tensor(edit.units, device=given.device)
            return given.index_select(-1 if layer.is_tokens else 1, units)
    shapes = " or ".join("×".join(map(str, shape)) for shape in ([count], chosen, whole))
    raise ToolboxError(
        f'the value of the edit of {count} units of "{layer.name}" is one number, or has the shape {shapes}, '
        f"not {'×'.join(map(str, given.shape))}"
    )


def part_of_each(edits: Iterable[Edit], index: int, images: int, layers: Layers) -> list[Edit]:
    """Return the edits for one image of a batch: where their values have the batch's axis, those of that image."""
    return [_part_of(edit, index, images, layers) for edit in edits]


def _part_of(edit: Edit, index: int, images: int, layers: Layers) -> Edit:
    if edit.value is None or edit.value.ndim <= len(layers[layers.canonical(edit.layer)].shape):
        return edit
    return Edit(edit.layer, edit.units, edit.what, edit.value[index] if len(edit.value) == images else edit.value)
