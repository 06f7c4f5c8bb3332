"""Attention inside of windows, as Swin computes it: which of its weights are between which places of the map.

Windows lie in the batch, (N·windows, heads, P, P'), so a network never holds all places × all places, and neither does
this. Known is attention whose result is shown joined on its grid (`joined_windows`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from deepvis_toolbox.network.attention import LEAST_TOKENS, attention_module, attention_weights, is_fused, read_nodes
from deepvis_toolbox.network.execution import Values
from deepvis_toolbox.network.operations import called_name, operation_of
from deepvis_toolbox.network.place_tracing import MOVING, PRODUCTS

_ROUNDING = 1e-3
"""How far from 1 the weights of a place may be in sum."""


@dataclass(frozen=True, eq=False)
class WindowPlaces:
    """Which places of the grid, row by row, lie in each window; -1: none (padding, tokens that have no place)."""

    attending: torch.Tensor
    """int64 (windows, P), on the CPU."""
    attended: torch.Tensor
    """int64 (windows, P'), on the CPU."""


@dataclass(frozen=True, eq=False)
class WindowAttention:
    """How much the places of each window attend to those of the same window."""

    weights: torch.Tensor
    """float32 (N, windows, heads, P, P'): as the network computes them, with bias and mask."""
    places: WindowPlaces


def attending_windows(
    node: fx.Node,
    places_of: Callable[[Any], torch.Tensor | None],
    values: Values,
    modules: Mapping[str, nn.Module],
) -> WindowPlaces | None:
    """Return which places lie in the windows of a node that mixes values by attention; None where it does not, or where
    that is not known.

    `places_of`: of a node, 1 + the place of each of its values for one image, int64 (windows, heads, P, d) or
    (windows, P, d), 0: none; None where that is not known, or on another grid. `values`: for one image.
    """
    if weighed(node, modules) is None:
        return None
    call = attention_module(node, modules) or node
    values_at = 1 if call is node and not is_fused(node) else 2
    numbers = places_of(node), places_of(call.args[values_at] if len(call.args) > values_at else None)
    attending, attended = (None if each is None else _by_window(each) for each in numbers)
    if attending is None or attended is None:
        return None
    weights = _weights(node, values.__getitem__, modules)
    sums = weights.sum(-1)
    is_theirs = weights.shape[::2] == (*attending.shape,) and weights.shape[::3] == (*attended.shape,)
    is_whole = torch.allclose(sums, torch.ones_like(sums), atol=_ROUNDING)
    return WindowPlaces(attending, attended) if is_theirs and is_whole and attended.shape[1] >= LEAST_TOKENS else None


def read_in_windows(node: fx.Node, modules: Mapping[str, nn.Module]) -> list[fx.Node]:
    """Return the nodes whose values tell the weights of a node of `attending_windows`."""
    left: Any = node.args[0]
    return [left] if _multiplies(node) else read_nodes(node, modules)


def attention_in_windows(
    node: fx.Node, images: int, value_of: Callable[[fx.Node], Any], modules: Mapping[str, nn.Module]
) -> WindowAttention:
    """Return the weights of a node of `attending_windows`; `value_of`: the values of `read_in_windows`, for so many
    images."""
    weights = _weights(node, value_of, modules)
    return WindowAttention(weights.unflatten(0, (images, -1)).detach(), node.meta["windows"])


def weighed(node: fx.Node, modules: Mapping[str, nn.Module]) -> fx.Node | None:
    """Return what gives the weights that a node multiplies, but for dropout and rearranging: a softmax, or the node
    itself where it keeps them to itself; None where there are none."""
    if is_fused(node) or attention_module(node, modules):
        return node
    below: Any = node.args[0] if _multiplies(node) else None
    while isinstance(below, fx.Node) and (kind := operation_of(below, modules).kind) != "softmax":
        is_passing = kind in ("dropout", "identity") or called_name(below) in MOVING
        below = below.args[0] if is_passing and below.args else None
    return below if isinstance(below, fx.Node) else None


def _weights(node: fx.Node, value_of: Callable[[fx.Node], Any], modules: Mapping[str, nn.Module]) -> torch.Tensor:
    """Return the weights (N·windows, heads, P, P')."""
    if not _multiplies(node):
        return attention_weights(node, value_of, modules)
    (left,) = read_in_windows(node, modules)
    weights: torch.Tensor = value_of(left)
    return weights if weights.ndim == 4 else weights[:, None]


def _multiplies(node: fx.Node) -> bool:
    return node.op in ("call_function", "call_method") and called_name(node) in PRODUCTS and len(node.args) == 2


def _by_window(numbers: torch.Tensor) -> torch.Tensor | None:
    """Return the places (windows, P), -1: none; None where they differ by head or along the last axis."""
    if numbers.ndim not in (3, 4):
        return None
    own = numbers[..., 0] if numbers.ndim == 3 else numbers[:, 0, :, 0]
    spread = own[..., None] if numbers.ndim == 3 else own[:, None, :, None]
    return (own - 1).clamp(min=-1) if torch.equal(spread.expand(numbers.shape), numbers) else None
