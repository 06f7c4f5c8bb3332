"""Layers whose places lie in windows or in heads, as Swin and other transformers compute them: joined again.

A layer of windows (N·windows, places, D), shifted or not, becomes D maps on the grid (N, D, rows, columns); one of
heads, (N, heads, T, d), (N, T, heads, d) or (N, heads, d, T), becomes tokens (N, T, heads·d). Which place is which is
known by `place_tracing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

import torch
from torch import fx

from deepvis_toolbox.network.execution import Values
from deepvis_toolbox.network.operations import called_name
from deepvis_toolbox.network.place_tracing import IMAGE, PADDING, Places, traced_places
from deepvis_toolbox.network.window_attention import attending_windows, weighed

_PARTS = frozenset({"getitem", "select"})
_PRODUCTS = frozenset({"scaled_dot_product_attention", "matmul", "bmm"})


Lying = tuple[int, tuple[int, ...], tuple[int, ...], tuple[int, ...]]
_ORDER = "order_of_places_"
_TOKENS_OF_HEADS = ((False, False, True, False), (False, True, False, False), (False, False, False, True))
"""Which axes tell places apart in (N, heads, T, d), (N, T, heads, d) and (N, heads, d, T)."""


@dataclass(frozen=True, eq=False)
class Arrangement:
    """How the values of a node lie: (N · leading, …), places and units in any order of axes."""

    leading: int
    """Of the first axis, how many belong to one image."""
    place_axes: tuple[int, ...]
    """Those of places behind the first, as the node has them."""
    unit_axes: tuple[int, ...]
    sizes: tuple[int, ...]
    """Of all axes for one image."""
    order: torch.Tensor
    """int64 (places,): which value, in the node's order of places, lies at each place of the grid or is each token; of
    none, tokens stay in their order."""
    grid: tuple[int, int] | None
    """(rows, columns) of the map; None: tokens in their order."""

    @property
    def lying(self) -> Lying:
        """All but the order, as plain numbers."""
        return self.leading, self.place_axes, self.unit_axes, self.sizes


def arrangements(graph_module: fx.GraphModule, two: Values | None, one: Values) -> dict[fx.Node, Arrangement]:
    """Return how the values of windows and heads lie, of the nodes that compute such; note on maps (N, H, W, C) that
    their channels are last. `two`: values for two images, None where the network runs on one alone; `one`: for one."""
    found = {}
    images = 1 if two is None else 2
    traced = traced_places(graph_module, one if two is None else two)
    for node, places in traced.items():
        value = one.get(node)
        if "layer" not in node.meta or not isinstance(value, torch.Tensor) or value.ndim < 3:
            continue
        own = _of_one_image(places, value, images)
        if own is None:
            continue
        axes = _axes(own)
        if value.ndim == 4 and axes == (False, True, True, False):
            node.meta["channels_last"] = True
        if len(value) == 1:
            _note_tokens(node, own, axes, places.grid)
        role = _role(node, traced) if places.is_moved else ""
        is_put_together = places.is_moved and axes in _TOKENS_OF_HEADS[1:]
        is_whole = (role or is_put_together or not places.is_moved) and not places.are_scores
        arranged = _in_order(node, _arranged(own, axes, places.grid, value) if is_whole else None, value)
        if arranged is not None:
            found[node] = arranged
            _call(node, role)
    _note_windows(graph_module, found, traced, images, one)
    return found


def _role(node: fx.Node, traced: Mapping[fx.Node, Places]) -> str:
    """Return whether a part of a tensor is the queries, keys or values of an attention: q, k or v; empty where it is
    none."""
    if called_name(node) not in _PARTS:
        return ""
    while len(node.users) == 1:
        reader = next(iter(node.users))
        if called_name(reader) in _PRODUCTS:
            at = reader.args.index(node) if node in reader.args else -1
            if called_name(reader) == "scaled_dot_product_attention":
                return "qkv"[at] if at in (0, 1, 2) else ""
            is_scored = reader in traced and traced[reader].are_scores
            return {0: "q", 1: "k"}.get(at, "") if is_scored else "v" if at == 1 else ""
        if reader not in traced:
            return ""
        node = reader
    return ""


def _call(node: fx.Node, role: str) -> None:
    """Name the layer of a part after its role, beside the attention's other layers, where the name is free."""
    name = ".".join([*node.meta["layer"].split(".")[:-1], role])
    if role and all(each.meta.get("layer") != name for each in node.graph.nodes):
        node.meta["layer"] = name


def may_hold_windows(graph_module: fx.GraphModule) -> bool:
    """Return whether there is attention in a graph, or anything else that mixes places by products."""
    return any(called_name(node) in _PRODUCTS for node in graph_module.graph.nodes if _is_call(node))


def _is_call(node: fx.Node) -> bool:
    return node.op in ("call_function", "call_method")


def _note_windows(
    graph_module: fx.GraphModule,
    found: Mapping[fx.Node, Arrangement],
    traced: Mapping[fx.Node, Places],
    images: int,
    one: Values,
) -> None:
    """Note on what gives the values of attention in windows which places lie in these."""
    modules = dict(graph_module.named_modules())

    def places_of(grid: tuple[int, int], node: Any) -> torch.Tensor | None:
        places = traced.get(node)
        return None if places is None or places.grid != grid else _of_one_image(places, one[node], images)

    for node, how in found.items():
        windows = attending_windows(node, partial(places_of, how.grid), one, modules) if how.grid else None
        if windows is not None:
            node.meta["windows"] = windows
            weights = weighed(node, modules) or node
            weights.meta["is_of_windows"] = True


def _of_one_image(places: Places, value: torch.Tensor, images: int) -> torch.Tensor | None:
    """Return the numbers of the first image's places, of an attention those that attend; None where the images are not
    one behind the other, or there is nothing in them."""
    numbers = places.numbers
    if not numbers.numel() or numbers.shape != (images * value.shape[0], *value.shape[1:]):
        return None
    own = numbers[: len(value)]
    if images == 2 and not torch.equal(numbers[len(value) :], torch.where(own > 0, own + IMAGE, own)):
        return None
    return own if int(own.max()) < IMAGE else None


def _note_tokens(node: fx.Node, own: torch.Tensor, axes: tuple[bool, ...], grid: tuple[int, int] | None) -> None:
    """Note on tokens that hold each place of a map once which grid they are of; and where they do not lie row by row
    behind all others, in which order they do: int64 (T,)."""
    if axes not in ((False, True, False), *_TOKENS_OF_HEADS) or grid is None:
        return
    numbers, count = own[(0, *(slice(None) if is_place else 0 for is_place in axes[1:]))], grid[0] * grid[1]
    if int((numbers > 0).sum()) != count or not torch.equal(numbers.sort().values[-count:], torch.arange(1, count + 1)):
        return
    if own.ndim == 3:
        node.meta["token_grid"] = grid
    order = numbers.argsort(stable=True)
    if not torch.equal(order, torch.arange(len(order))):
        node.meta["token_order"] = order


def _in_order(node: fx.Node, arranged: Arrangement | None, value: torch.Tensor) -> Arrangement | None:
    """Return how tokens lie that are not row by row behind all others."""
    order = node.meta.get("token_order")
    if order is None:
        return arranged
    if arranged is None:
        return Arrangement(1, (1,), (2,), tuple(value.shape), order, None) if value.ndim == 3 else None
    return replace(arranged, order=order) if arranged.grid is None else arranged


def _axes(own: torch.Tensor) -> tuple[bool, ...]:
    """Return along which axes the places differ."""
    return tuple(bool((own != own.narrow(axis, 0, 1)).any()) for axis in range(own.ndim))


def _arranged(
    own: torch.Tensor, is_place: tuple[bool, ...], grid: tuple[int, int] | None, value: torch.Tensor
) -> Arrangement | None:
    place_axes = tuple(axis for axis in range(1, own.ndim) if is_place[axis])
    unit_axes = tuple(axis for axis in range(1, own.ndim) if not is_place[axis])
    is_one_window = is_place in ((False, True, False), *_TOKENS_OF_HEADS) and bool((own == PADDING).any())
    is_windows = (len(value) > 1 and is_place[0]) or is_one_window
    is_heads = len(value) == 1 and is_place in _TOKENS_OF_HEADS and (grid is None or min(grid) > 1) and not is_windows
    if not (is_windows or is_heads) or not unit_axes:
        return None
    flat = own.permute(0, *place_axes, *unit_axes).flatten(len(place_axes) + 1)[..., 0].flatten()
    lying = len(value), place_axes, unit_axes, tuple(value.shape)
    if is_heads:
        return Arrangement(*lying, torch.arange(0), None)
    if grid is None:
        return None
    count = grid[0] * grid[1]
    if int((flat > 0).sum()) != count or not torch.equal(flat[flat > 0].sort().values, torch.arange(1, count + 1)):
        return None  # a place is missing, or there twice
    return Arrangement(*lying, flat.argsort(stable=True)[int((flat <= 0).sum()) :], grid)


def joined(value: torch.Tensor, order: torch.Tensor, lying: Lying, grid: tuple[int, int] | None) -> torch.Tensor:
    """Return windows as maps, float32 (N, D, rows, columns), or heads as tokens, float32 (N, T, heads·d)."""
    flat = _flat(value, lying)
    if grid is None:
        return flat[:, order] if len(order) else flat
    return flat[:, order].transpose(1, 2).reshape(len(flat), -1, *grid)


def parted(
    whole: torch.Tensor, value: torch.Tensor, order: torch.Tensor, lying: Lying, grid: tuple[int, int] | None
) -> torch.Tensor:
    """Return what `joined` has made of `value`, or what has become of it since, as `value` lies, float32 (N·windows,
    …); what lies at no place is taken from there."""
    _, place_axes, unit_axes, sizes = lying
    if grid is None:
        flat = whole[:, order.argsort()] if len(order) else whole
    else:
        flat = _flat(value, lying).index_copy(1, order, whole.flatten(2).transpose(1, 2))
    axes = (0, *place_axes, *unit_axes)
    back = [axes.index(axis) for axis in range(len(axes))]
    return flat.reshape(-1, *(sizes[axis] for axis in axes[1:])).permute(back)


def _flat(value: torch.Tensor, lying: Lying) -> torch.Tensor:
    """Return (N, places in the node's order, units)."""
    leading, place_axes, unit_axes, sizes = lying
    places, units = (prod(sizes[axis] for axis in axes) for axes in (place_axes, unit_axes))
    return value.permute(0, *place_axes, *unit_axes).reshape(-1, leading * places, units)


def join(graph_module: fx.GraphModule, node: fx.Node, how: Arrangement, *all_values: Values | None) -> None:
    """Put a pair of steps behind a node, there and back; the layer is the value between them."""
    graph, readers = node.graph, list(node.users)
    with graph.inserting_before(next(iter(graph.nodes))):
        order = graph.get_attr(_kept(graph_module, how.order))
    with graph.inserting_after(node):
        front = graph.call_function(joined, (node, order, how.lying, how.grid))
    with graph.inserting_after(front):
        behind = graph.call_function(parted, (front, node, order, how.lying, how.grid))
    for reader in readers:
        reader.replace_input_with(node, behind)
    line = node.meta.get("line")
    front.meta = {"layer": node.meta["layer"], "moved": node, "line": line, "is_copy": True}
    front.meta["is_windows"] = how.grid is not None
    if "token_grid" in node.meta:
        front.meta["token_grid"] = node.meta["token_grid"]
    if len(how.unit_axes) == 2:
        heads, values = (how.sizes[axis] for axis in how.unit_axes)
        front.meta["heads"] = heads
        names = [f"head {head} value {number}" for head in range(heads) for number in range(values)]
        front.meta["unit_names"] = tuple(names)
    behind.meta = {"moved_back": front, "line": line}
    for known in filter(None, all_values):
        known[order] = how.order
        known[front], known[behind] = joined(known[node], how.order, how.lying, how.grid), known[node]


def _kept(graph_module: fx.GraphModule, order: torch.Tensor) -> str:
    """Return the name under which the module keeps an order; it is none of its weights."""
    buffers = graph_module.named_buffers(recurse=False)
    for name, kept in buffers:
        if name.startswith(_ORDER) and torch.equal(kept, order):
            return name
    name = f"{_ORDER}{len(graph_module._buffers)}"
    graph_module.register_buffer(name, order, persistent=False)
    return name
