"""Where a transformer attends: one layer's heads, all layers together (rollout), and how large its tokens are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.measure.measurement import Measurement
from deepvis_toolbox.measure.needs import Needs
from deepvis_toolbox.words.images import Floats

if TYPE_CHECKING:
    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network


@dataclass(frozen=True, eq=False)
class Attention:
    """How much a token attends to each place, and to the tokens that have none."""

    maps: Floats
    """(heads, rows, columns), each with `others` 1 in sum; of a rollout one map."""
    others: Floats
    """(heads, class tokens and registers)."""
    token: int | None
    """The token that attends; None: the mean over all."""
    layer: str


@dataclass(frozen=True, eq=False)
class TokenSizes:
    """The Euclidean norm of every token."""

    map: Floats
    """(rows, columns)."""
    others: Floats
    """(class tokens and registers,)."""


@dataclass(frozen=True)
class AttentionMaps(Measurement[Attention]):
    """What does a token attend to, in each head of a layer?

    `token`: its number, those without a place first; None: the first of these, else the mean over all tokens. What a
    fused operation keeps to itself is computed again from its queries and keys.
    """

    layer: str
    token: int | None = None

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return the layer, of a pass that is kept."""
        return Needs(frozenset({self.layer}), is_recorded=True)

    def take(self, passes: Pass) -> Attention:
        """Answer with the maps; `ToolboxError` where the layer tells no attention, or its tokens form no grid."""
        weights = passes.on_cpu(passes.attention(self.layer))
        grid = grid_of(passes.network, weights.shape[-1], self.layer)
        own, token = _row(weights, weights.shape[-1] - grid[0] * grid[1], self.token, self.layer)
        return Attention(*_divided(own, grid), token, self.layer)


@dataclass(frozen=True)
class AttentionRollout(Measurement[Attention]):
    """What does a token attend to through all layers up to one (Abnar & Zuidema 2020)?

    Each layer's weights, averaged over heads, half of them the token itself, are multiplied up from the first layer.
    `layer`: the last one; None: of all. `token`: as in `AttentionMaps`.
    """

    layer: str | None = None
    token: int | None = None

    def needs(self, network: Network) -> Needs:
        """Return the layers that tell attention, of a pass that is kept."""
        return Needs(frozenset(self._layers(network)), is_recorded=True)

    def take(self, passes: Pass) -> Attention:
        """Answer with one map; `ToolboxError` where layers have other tokens than each other."""
        names = self._layers(passes.network)
        total: Floats | None = None
        for name in names:
            weights = passes.on_cpu(passes.attention(name)).mean(0)
            if weights.shape[0] != weights.shape[1] or (total is not None and len(total) != len(weights)):
                raise ToolboxError(f"the tokens of {name} are not those of the layers below it: there is no rollout")
            mixed = (weights + np.eye(len(weights), dtype=np.float32)) / 2
            total = mixed if total is None else mixed @ total
        assert total is not None
        grid = grid_of(passes.network, len(total), names[-1])
        own, token = _row(total[None], len(total) - grid[0] * grid[1], self.token, names[-1])
        return Attention(*_divided(own, grid), token, names[-1])

    def _layers(self, network: Network) -> list[str]:
        names = [layer.name for layer in network.layers.values() if layer.tells_attention]
        if self.layer is not None:
            last = network.layers.canonical(self.layer)
            names = [name for name in names if name == last or name in network.layers_below(last)]
        if not names:
            where = "" if self.layer is None else f" at or below {self.layer}"
            raise ToolboxError(f"no layer{where} tells attention")
        return names


@dataclass(frozen=True)
class TokenNorms(Measurement[TokenSizes]):
    """How large is each token of a layer? Where a few are many times larger than the rest, they hold no place's content
    (Darcet et al. 2024)."""

    layer: str

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return the layer."""
        return Needs(frozenset({self.layer}))

    def take(self, passes: Pass) -> TokenSizes:
        """Answer with the norms; `ToolboxError` where the layer has no tokens on a grid."""
        layer = passes.network.layers[passes.network.layers.canonical(self.layer)]
        if layer.token_grid is None:
            raise ToolboxError(f'layer "{layer.name}" has no tokens that form a grid')
        norms = np.linalg.norm(passes.on_cpu(passes.activations(self.layer)), axis=1)
        maps, others = _divided(norms[None], layer.token_grid)
        return TokenSizes(maps[0], others[0])


def grid_of(network: Network, tokens: int, layer: str) -> tuple[int, int]:
    """Return (rows, columns) of so many tokens: that of the last layer of tokens at or below `layer`, or the first."""
    layers = list(network.layers.values())
    at = [each.name for each in layers].index(network.layers.canonical(layer))
    for each in (*reversed(layers[: at + 1]), *layers[at + 1 :]):
        if each.token_grid is not None and each.shape[0] == tokens:
            return each.token_grid
    raise ToolboxError(f"the {tokens} tokens that {layer} attends to form no grid")


def _row(weights: Floats, others: int, token: int | None, layer: str) -> tuple[Floats, int | None]:
    """Return the weights (heads, T') of one token, and which it is; None: the mean over all."""
    if token is not None and not 0 <= token < weights.shape[1]:
        raise ToolboxError(f"{layer} has tokens 0 to {weights.shape[1] - 1}, not {token}")
    if token is None and others:
        token = 0
    return (weights.mean(1) if token is None else weights[:, token]), token


def _divided(values: Floats, grid: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return values (heads, T) of tokens as maps (heads, rows, columns), and those in front of them."""
    others = values.shape[1] - grid[0] * grid[1]
    return np.ascontiguousarray(values[:, others:]).reshape(-1, *grid), values[:, :others]
