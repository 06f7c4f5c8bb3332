"""Which place of a map each value of a node comes from, where the network rearranges places: windows, shifts, heads.

Numbers of places are sent through the graph in the values' stead. What views, permutes, rolls or pads moves them along;
what works value by value, over the last axis, or over other places (attention) leaves them where they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from deepvis_toolbox.network.channels_last import works_on_the_last_axis
from deepvis_toolbox.network.execution import Values, callable_of
from deepvis_toolbox.network.operations import called_name, operation_of

IMAGE = 1 << 40
"""What is added to the number of a place for each image before it."""
PADDING = -1
"""The number of what was put around a map."""
MOVING = frozenset(
    {
        *("view", "reshape", "permute", "transpose", "flatten", "unflatten", "movedim", "moveaxis", "swapaxes"),
        *(
            "squeeze",
            "unsqueeze",
            "contiguous",
            "clone",
            "roll",
            "pad",
            "constant_pad_nd",
            "getitem",
            "slice",
            "select",
        ),
        *(
            "narrow",
            "unbind",
            "chunk",
            "split",
            "split_with_sizes",
            "unsafe_view",
            "t",
            "mT",
            "numpy_T",
            "alias",
            "detach",
            "getattr",
            "expand",
        ),
    }
)
"""What only moves values, by its name."""
PRODUCTS = frozenset({"matmul", "bmm"})
_PADDING = frozenset({"pad", "constant_pad_nd"})
JOINING = frozenset({"cat", "concat", "concatenate"})
FROM_MAPS = frozenset({"input", "conv", "pool", "upsample"})


@dataclass(frozen=True, eq=False)
class Places:
    """Where a node's values come from."""

    numbers: torch.Tensor
    """int64, of the value's shape: 1 + the number of the place, row by row, + `IMAGE` for each image before it; 0:
    none (a class token); `PADDING`."""
    grid: tuple[int, int] | None
    """(rows, columns) of the places, where they are known."""
    is_moved: bool = False
    """Whether the node only moves what it reads."""
    are_scores: bool = False
    """Whether the last axis is places too: how much each attends to each."""


def traced_places(graph_module: fx.GraphModule, values: Values) -> dict[fx.Node, Places]:
    """Return the places of the nodes of which they are known. `values`: every node's value for some images, (N, …)."""
    tracing = _Tracing(dict(graph_module.named_modules()), values)
    for node in graph_module.graph.nodes:
        if node.op not in ("get_attr", "output"):
            tracing.follow(node)
    return {node: places for node, places in tracing.found.items() if isinstance(places, Places)}


class _Tracing:
    def __init__(self, modules: Mapping[str, nn.Module], values: Values) -> None:
        self._modules, self._values = modules, values
        self._images = len(next(value for node, value in values.items() if node.op == "placeholder"))
        self.found: dict[fx.Node, Places | tuple[Places | None, ...]] = {}

    def follow(self, node: fx.Node) -> None:
        value = self._values.get(node)
        parents = [each for each in node.all_input_nodes if isinstance(self.found.get(each), Places)]
        name = called_name(node) if node.op in ("call_function", "call_method") else ""
        kind = operation_of(node, self._modules).kind
        places: Any = None
        if name == "getitem" and isinstance(self.found.get(node.args[0]), tuple):  # type: ignore[arg-type]
            places = self.found[node.args[0]][node.args[1]]  # type: ignore[index]
        elif node.op == "placeholder" or (kind in FROM_MAPS and _is_map(value, self._images)):
            places = self._of_map(value) if isinstance(value, torch.Tensor) else None
        elif not parents:
            return
        elif self._attends(node):
            places = (self._of_queries(node), None)
        elif name in MOVING or kind in ("flatten", "identity"):
            places = self._moved(node, parents[0])
        elif isinstance(value, torch.Tensor):
            places = self._computed(node, name, parents, value)
        if places is not None:
            self.found[node] = places

    def _computed(self, node: fx.Node, name: str, parents: list[fx.Node], value: torch.Tensor) -> Places | None:
        first: Places = self.found[parents[0]]  # type: ignore[assignment]
        if name in JOINING:
            return self._joined(node, first, value)
        if name in PRODUCTS or name == "scaled_dot_product_attention":
            is_left = len(node.args) > 1 and node.args[0] is parents[0]
            is_scored = is_left and name in PRODUCTS and self._has_places_across(node.args[1])
            return _rows(first, value, are_scores=is_scored) if is_left else None
        operation = operation_of(node, self._modules)
        is_by_row = works_on_the_last_axis(node, self._modules) or operation.kind == "linear"
        over_last = is_by_row or operation.kind == "softmax"
        leaves_places = operation.elementwise or operation.kind == "norm" or name == "normalize"
        if not (leaves_places or over_last):
            return None
        if not is_even(first.numbers) and is_by_row:
            return self._of_tokens(value)
        fitting = [self.found[each] for each in parents if self._values[each].shape == value.shape]
        if over_last:
            return _rows(first, value, are_scores=first.are_scores)
        return _agreeing([each for each in fitting if isinstance(each, Places)])

    def _attends(self, node: fx.Node) -> bool:
        """Return whether a node calls `nn.MultiheadAttention` on (N, T, D)."""
        module = self._modules.get(str(node.target)) if node.op == "call_module" else None
        return isinstance(module, nn.MultiheadAttention) and module.batch_first

    def _of_queries(self, node: fx.Node) -> Places | None:
        """Return the places of what an `nn.MultiheadAttention` gives: those of its queries."""
        queries, given = self.found.get(node.args[0]) if node.args else None, self._values[node]  # type: ignore[arg-type]
        return _rows(queries, given[0], are_scores=False) if isinstance(queries, Places) else None

    def _has_places_across(self, factor: Any) -> bool:
        """Return whether the last axis of what is multiplied by may be places: it is, but for weights and values."""
        known = self.found.get(factor)
        is_weight = isinstance(factor, fx.Node) and factor.op == "get_attr"
        return not (is_weight or (isinstance(known, Places) and is_even(known.numbers)))

    def _moved(self, node: fx.Node, parent: fx.Node) -> Any:
        """Return what the node makes of the numbers; None where it does not take them."""
        places: Places = self.found[parent]  # type: ignore[assignment]

        def moved_of(numbers: torch.Tensor) -> Any:
            args, named = fx.node.map_arg(
                (node.args, node.kwargs), lambda read: numbers if read is parent else self._values[read]
            )
            return callable_of(node, self._modules)(*args, **named)

        try:
            moved = moved_of(places.numbers)
            if called_name(node) in _PADDING:
                moved = torch.where(moved == moved_of(places.numbers + 1), PADDING, moved)
        except Exception:  # it works on numbers of another kind alone
            return None
        parts = moved if isinstance(moved, (tuple, list)) else [moved]
        found = [
            Places(_compact(part), places.grid or _grid_of(part), True, places.are_scores)
            if isinstance(part, torch.Tensor)
            else None
            for part in parts
        ]
        return tuple(found) if isinstance(moved, (tuple, list)) else found[0]

    def _joined(self, node: fx.Node, first: Places, value: torch.Tensor) -> Places | None:
        """Return the places of what is put side by side: tokens of several kinds, or values of the same places."""
        parts: Any = node.args[0] if node.args else node.kwargs.get("tensors")
        axis = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
        if not isinstance(parts, (tuple, list)) or not isinstance(axis, int):
            return None
        numbers = []
        for part in parts:
            known = self.found.get(part)
            shape = self._values[part].shape
            numbers.append(known.numbers if isinstance(known, Places) else torch.zeros(shape, dtype=torch.int64))
        joined = torch.cat(numbers, axis)
        if axis % value.ndim == value.ndim - 1 and not is_even(joined):
            return self._of_tokens(value)
        return Places(_compact(joined), first.grid)

    def _of_map(self, value: torch.Tensor) -> Places:
        """Return the places of a map (N, C, H, W)."""
        rows, columns = value.shape[2:]
        numbers = self._counted(rows * columns).reshape(self._images, 1, rows, columns)
        return Places(numbers.expand(value.shape), (rows, columns))

    def _of_tokens(self, value: torch.Tensor) -> Places | None:
        """Return the places of a new map whose channels are last, (N, H, W, C), or of tokens in a row, (N, T, D)."""
        if value.ndim not in (3, 4) or len(value) != self._images:
            return None
        inner = value.shape[1:-1]
        numbers = self._counted(inner.numel()).reshape(self._images, *inner, 1)
        return Places(numbers.expand(value.shape), (inner[0], inner[1]) if len(inner) == 2 else None)

    def _counted(self, count: int) -> torch.Tensor:
        return torch.arange(self._images)[:, None] * IMAGE + 1 + torch.arange(count)


def _is_map(value: Any, images: int) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim == 4 and len(value) == images


def is_even(numbers: torch.Tensor) -> bool:
    """Return whether all values along the last axis come from one place; `numbers`: int64 of any shape."""
    return numbers.stride(-1) == 0 or bool((numbers == numbers[..., :1]).all())


def _compact(numbers: torch.Tensor) -> torch.Tensor:
    return numbers[..., :1].clone().expand(numbers.shape) if numbers.ndim and is_even(numbers) else numbers


def _rows(places: Places, value: torch.Tensor, *, are_scores: bool) -> Places | None:
    """Return the places of values of the same places, with another last axis."""
    same = places.numbers.shape[:-1] == value.shape[:-1] and is_even(places.numbers)
    if not same:
        return None
    return Places(places.numbers[..., :1].expand(value.shape), places.grid, are_scores=are_scores)


def _agreeing(found: list[Places]) -> Places | None:
    """Return the places of all; None where they differ."""
    if not found or any(not torch.equal(each.numbers, found[0].numbers) for each in found[1:]):
        return None
    grid = next((each.grid for each in found if each.grid), None)
    return Places(found[0].numbers, grid, are_scores=any(each.are_scores for each in found))


def _grid_of(numbers: torch.Tensor) -> tuple[int, int] | None:
    """Return (rows, columns) of numbers (N, rows, columns, …) that count row by row; None where they do not."""
    if numbers.ndim != 4 or not is_even(numbers):
        return None
    rows, columns = numbers.shape[1:3]
    first = numbers[0, :, :, 0]
    is_counting = torch.equal(first, 1 + torch.arange(rows * columns).reshape(rows, columns))
    return (rows, columns) if is_counting and min(rows, columns) > 1 else None
