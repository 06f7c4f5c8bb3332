"""Which axis of a node's value is the batch, found by running two images and one; layers lead with it, or are left out.

Some networks hold the tokens first (T, N, D), or put windows of an image into the batch (N·W, T, D). A layer whose
first axis is not the batch would show one token, or one window, as if it were the picture.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import torch
from torch import fx

from deepvis_toolbox.errors import first_few
from deepvis_toolbox.network.differing import agree
from deepvis_toolbox.network.execution import Values
from deepvis_toolbox.network.joined_windows import Arrangement, arrangements, join, may_hold_windows
from deepvis_toolbox.network.operations import called_name

_NAMED = 3
"""So many layers are named in a note."""


def squeeze_by_axes(graph_module: fx.GraphModule, two: Values) -> None:
    """Give every `squeeze()` the axes that it takes away from a batch of two: of one it would take the batch too."""
    for node in graph_module.graph.nodes:
        if node.op not in ("call_function", "call_method") or called_name(node) != "squeeze":
            continue
        source = node.args[0] if node.args else node.kwargs.get("input")
        if len(node.args) > 1 or "dim" in node.kwargs or not isinstance(two.get(source), torch.Tensor):
            continue
        axes = tuple(axis for axis, size in enumerate(two[source].shape) if size == 1)
        node.args, node.kwargs = (source, axes), {}
        if node.op == "call_function":
            node.target = torch.squeeze  # an overload takes no axes


def lead_with_the_batch(graph_module: fx.GraphModule, two: Values | None, one: Values, *, alone: bool) -> list[str]:
    """Move the batch to the front of layers that have it elsewhere; take the name off those of which that is not
    known, and off those that have no units to show. Gives a sentence for each thing left out.

    `two`: every node's value for two images, None where the network runs on one alone. `one`: for the first of them;
    values of nodes that are made here are added to it. `alone`: images will be run one at a time.
    """
    left_out: dict[str, list[str]] = {}
    lying = _arranged(graph_module, two, one)
    tops = {node.meta["layer"]: node for node in graph_module.graph.nodes if "layer" in node.meta}
    for node in list(graph_module.graph.nodes):
        value = one.get(node)
        if "layer" not in node.meta or node.op == "placeholder" or not _has_units(value):
            continue
        if node in lying:
            join(graph_module, node, lying[node], two, one)
            continue
        axis = _axis_by_shapes(two[node], value) if two is not None else None
        if axis is None and alone:
            axis = _axis_of_one(value)
        why = _unfit(value, axis)
        if why and node is tops[node.meta["layer"]]:
            left_out.setdefault(why, []).append(node.meta["layer"])
        elif axis and not why:
            _move_to_front(node, axis, two, one)
    unnamed = {name for names in left_out.values() for name in names}
    for node in graph_module.graph.nodes:
        if node.meta.get("layer") in unnamed:
            del node.meta["layer"]
    graph_module.graph.lint()
    return [_left_out_note(why, names) for why, names in left_out.items()]


def _arranged(graph_module: fx.GraphModule, two: Values | None, one: Values) -> dict[fx.Node, Arrangement]:
    """Return how windows, heads and tokens lie, where a network may have such."""
    values = (one.get(node) for node in graph_module.graph.nodes if "layer" in node.meta)
    is_needed = any(_has_units(value) and (len(value) > 1 or value.ndim == 3) for value in values)
    return arrangements(graph_module, two, one) if is_needed or may_hold_windows(graph_module) else {}


def _has_units(value: Any) -> TypeGuard[torch.Tensor]:
    return isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim > 0


def _axis_by_shapes(two: torch.Tensor, one: torch.Tensor) -> int | None:
    """Return the one axis that is as long as the batch, with the same values for the same image; None where there is
    none."""
    if two.ndim != one.ndim:
        return None
    differing = [axis for axis in range(one.ndim) if two.shape[axis] != one.shape[axis]]
    if len(differing) != 1 or (two.shape[differing[0]], one.shape[differing[0]]) != (2, 1):
        return None
    axis = differing[0]
    return axis if axis == 0 or agree(two.narrow(axis, 0, 1), one) else None


def _axis_of_one(value: torch.Tensor) -> int | None:
    """Return where the only image is: the front, or nowhere (-1), where the value is a row of units without a batch."""
    if value.ndim == 1:
        return -1
    return 0 if value.shape[0] == 1 else None


def _unfit(value: torch.Tensor, axis: int | None) -> str:
    """Return why a value cannot be a layer, or an empty string."""
    if axis is None:
        return "their first axis is not the batch"
    axes = value.ndim - (axis != -1)
    if not value.numel():
        return "they have no units"
    return f"they have {axes} axes, which cannot be drawn" if axes > 3 else ""


def _move_to_front(node: fx.Node, axis: int, two: Values | None, one: Values) -> None:
    """Put a pair of views behind a node, there and back; the layer is the value between them."""
    graph = node.graph
    readers = list(node.users)
    with graph.inserting_after(node):
        front = graph.call_function(*((torch.unsqueeze, (node, 0)) if axis < 0 else (torch.movedim, (node, axis, 0))))
    with graph.inserting_after(front):
        behind = graph.call_function(*((torch.squeeze, (front, 0)) if axis < 0 else (torch.movedim, (front, 0, axis))))
    for reader in readers:
        reader.replace_input_with(node, behind)
    front.meta = {"layer": node.meta["layer"], "moved": node, "line": node.meta.get("line")}
    behind.meta = {"moved_back": front, "line": node.meta.get("line")}
    for values in (two, one):
        if values is not None:
            values[front] = values[node][None] if axis < 0 else values[node].movedim(axis, 0)
            values[behind] = values[node]


def _left_out_note(why: str, names: list[str]) -> str:
    return f"layers left out, since {why}: {first_few(names, _NAMED)}"
