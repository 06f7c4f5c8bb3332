"""Where a transformer attends: one layer's heads, all layers together (rollout), and how large its tokens are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.measure.measurement import Measurement
from deepvis_toolbox.measure.needs import Needs
from deepvis_toolbox.measure.token_mixing import Mixing, WindowMixing, mixing_of
from deepvis_toolbox.words.images import Floats

if TYPE_CHECKING:
    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network


@dataclass(frozen=True, eq=False)
class Attention:
    """How much a token attends to each place, and to the tokens that have none."""

    maps: Floats
    """(heads, rows, columns), each with `others` and `placeless` 1 in sum; of a rollout one map."""
    others: Floats
    """(heads, class tokens and registers)."""
    token: int | None
    """The token that attends; None: the mean over all."""
    layer: str
    placeless: Floats
    """(heads,): what goes to padding of windows, and to other tokens there that have no place."""
    since: str = ""
    """The first layer of a rollout that does not go back to the first of all, since the tokens below are others."""


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
    fused operation keeps to itself is computed again from its queries and keys. In windows, tokens are the places of
    the layer's maps, row by row, and attend to nothing outside of their window.
    """

    layer: str
    token: int | None = None

    def needs(self, network: Network) -> Needs:  # noqa: ARG002
        """Return the layer, of a pass that is kept."""
        return Needs(frozenset({self.layer}), is_recorded=True)

    def take(self, passes: Pass) -> Attention:
        """Answer with the maps; `ToolboxError` where the layer tells no attention, or its tokens form no grid."""
        mixing = mixing_of(passes, self.layer)
        token = mixing.meant(self.token)
        own, placeless = mixing.through(mixing.signal(token))
        return Attention(*_divided(own, mixing.grid), token, self.layer, placeless)


@dataclass(frozen=True)
class AttentionRollout(Measurement[Attention]):
    """What does a token attend to through all layers up to one (Abnar & Zuidema 2020)?

    Each layer's weights, averaged over heads, half of them the token itself, are multiplied up from the first layer; or
    from the first behind the last place where tokens become others (merged ones), which the answer names. `layer`: the
    last one; None: of all. `token`: as in `AttentionMaps`.
    """

    layer: str | None = None
    token: int | None = None

    def needs(self, network: Network) -> Needs:
        """Return the layers that tell attention, of a pass that is kept."""
        return Needs(frozenset(self._layers(network)), is_recorded=True)

    def take(self, passes: Pass) -> Attention:
        """Answer with one map; `ToolboxError` where a layer attends to other tokens than attend."""
        names = self._layers(passes.network)
        last = mixing_of(passes, names[-1])
        token = last.meant(self.token)
        signal, placeless, since = last.signal(token), np.zeros(1, np.float32), names[-1]
        for name in reversed(names):
            mixing = last if name == names[-1] else mixing_of(passes, name)
            if not _are_tokens_of(mixing, last):
                break
            mixed, lost = mixing.through(signal)
            signal, placeless, since = (signal + mixed.mean(0)) / 2, placeless + lost.mean() / 2, name
        maps, others = _divided(signal[None], last.grid)
        return Attention(maps, others, token, names[-1], placeless, "" if since == names[0] else since)

    def _layers(self, network: Network) -> list[str]:
        layers = network.layers.values()
        names = [layer.name for layer in layers if layer.tells_attention or layer.attends_in_windows]
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


def _are_tokens_of(mixing: Mixing, last: Mixing) -> bool:
    """Return whether a layer mixes the tokens of the last one; `ToolboxError` where it takes values of others."""
    if mixing.count != last.count or (isinstance(mixing, WindowMixing) and mixing.grid != last.grid):
        return False
    if mixing.attended != mixing.count:
        raise ToolboxError(f"{mixing.layer} attends to other tokens than attend there: there is no rollout")
    return True


def _divided(values: Floats, grid: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return values (heads, T) of tokens as maps (heads, rows, columns), and those in front of them."""
    others = values.shape[1] - grid[0] * grid[1]
    return np.ascontiguousarray(values[:, others:]).reshape(-1, *grid), values[:, :others]
