"""Which place of a map a token, or a place in a window, is computed from alone: until attention mixes them.

A token's receptive field is then that of its place: its patch. Numbers of places are sent through the graph, as in
`place_tracing`, but only as far as each value depends on one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import fx, nn

from deepvis_toolbox.network.channels_last import works_on_the_last_axis
from deepvis_toolbox.network.execution import callable_of
from deepvis_toolbox.network.joined_windows import joined, parted
from deepvis_toolbox.network.layer_nodes import attribute, needed_for, operation
from deepvis_toolbox.network.operations import called_name
from deepvis_toolbox.network.place_tracing import FROM_MAPS, JOINING, MOVING, is_even


class OwnPlaces(NamedTuple):
    """The map that a node's values come from, and of which place each of them."""

    source: fx.Node
    """Its value is a map (1, C, H, W)."""
    numbers: torch.Tensor
    """int64, of the node's shape for one image: 1 + the place, row by row; 0: of none, a class token or padding."""


_Found = OwnPlaces | tuple[OwnPlaces, ...] | None
"""None: of several places, or not known."""


def own_places(graph_module: fx.GraphModule, node: fx.Node) -> OwnPlaces | None:
    """Return where a node's values come from; None where one of them is computed from several places of the map, or
    where that is not known. Nodes are classified, and their shapes are noted."""
    tracing = _Tracing(graph_module)
    needed = needed_for([node])
    for each in graph_module.graph.nodes:
        if each in needed:
            tracing.follow(each)
    found = tracing.found.get(node)
    return found if isinstance(found, OwnPlaces) else None


class _Tracing:
    def __init__(self, graph_module: fx.GraphModule) -> None:
        self._graph_module = graph_module
        self._modules: Mapping[str, nn.Module] = dict(graph_module.named_modules())
        self.found: dict[fx.Node, _Found] = {}
        """Of the nodes that depend on the image."""

    def follow(self, node: fx.Node) -> None:
        parents = [each for each in node.all_input_nodes if each in self.found]
        if node.op == "placeholder" or (parents and _is_map(node)):
            self.found[node] = _of_map(node)
        elif parents and "number" not in node.meta:
            self.found[node] = self._behind(node, parents)

    def _behind(self, node: fx.Node, parents: list[fx.Node]) -> _Found:
        below = [self.found[each] for each in parents]
        first = below[0]
        if first is None or any(each is None for each in below):
            return None
        name = called_name(node) if node.op in ("call_function", "call_method") else ""
        if name in JOINING or name in MOVING or operation(node).kind in ("flatten", "identity") or _is_joining(node):
            return self._moved(node)
        if not isinstance(first, OwnPlaces):
            return None
        shape: Any = node.meta.get("value_shape")
        if works_on_the_last_axis(node, self._modules) and len(parents) == 1 and is_even(first.numbers):
            return OwnPlaces(first.source, first.numbers[..., :1].expand(shape))
        same = all(isinstance(each, OwnPlaces) and _are_equal(each, first) for each in below)
        return first if operation(node).elementwise and same and tuple(first.numbers.shape) == shape else None

    def _moved(self, node: fx.Node) -> _Found:
        """Return what the node makes of the numbers; None where it takes them from two maps, or does not take them."""
        read = [each for parent in node.all_input_nodes for each in _parts(self.found.get(parent))]
        if any(each.source is not read[0].source for each in read):
            return None
        try:
            call = callable_of(node, self._modules)
            moved = call(*fx.node.map_arg(node.args, self._stand_in), **fx.node.map_arg(node.kwargs, self._stand_in))
        except Exception:  # it works on numbers of another kind alone
            return None
        if isinstance(moved, torch.Tensor):
            return OwnPlaces(read[0].source, moved) if moved.dtype == torch.int64 else None
        if isinstance(moved, (tuple, list)) and all(isinstance(part, torch.Tensor) for part in moved):
            return tuple(OwnPlaces(read[0].source, part) for part in moved)
        return None

    def _stand_in(self, read: fx.Node) -> Any:
        """Return the numbers in the stead of a node's value; what does not depend on the image is of no place."""
        known = self.found.get(read)
        if known is not None:
            return known.numbers if isinstance(known, OwnPlaces) else tuple(part.numbers for part in known)
        if "number" in read.meta:
            return read.meta["number"]
        if _is_order(read):
            return attribute(self._graph_module, str(read.target)).cpu()
        return torch.zeros(read.meta["value_shape"], dtype=torch.int64)


def _parts(found: _Found) -> tuple[OwnPlaces, ...]:
    return () if found is None else (found,) if isinstance(found, OwnPlaces) else found


def _are_equal(one: OwnPlaces, other: OwnPlaces) -> bool:
    return one.source is other.source and torch.equal(one.numbers, other.numbers)


def _is_joining(node: fx.Node) -> bool:
    return node.target in (joined, parted)


def _is_order(node: fx.Node) -> bool:
    """Return whether a node is the order of places that windows are joined in."""
    return node.op == "get_attr" and all(_is_joining(reader) for reader in node.users)


def _is_map(node: fx.Node) -> bool:
    shape = node.meta.get("value_shape")
    is_new = operation(node).kind in FROM_MAPS
    return is_new and shape is not None and len(shape) == 4 and not node.meta.get("channels_last")


def _of_map(node: fx.Node) -> OwnPlaces:
    shape = node.meta["value_shape"]
    numbers = 1 + torch.arange(shape[2] * shape[3])
    return OwnPlaces(node, numbers.reshape(1, 1, *shape[2:]).expand(shape))
