"""How one layer of attention mixes tokens: all with all, or those of each window with each other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.words.images import Floats

if TYPE_CHECKING:
    from deepvis_toolbox.measure.passes import Pass
    from deepvis_toolbox.network.interface import Network
    from deepvis_toolbox.network.window_attention import WindowPlaces


class Mixing(ABC):
    """The weights of one layer for one image."""

    layer: str
    count: int
    """How many tokens attend."""
    attended: int
    """How many are attended to."""
    grid: tuple[int, int]
    """(rows, columns) of those that are attended to; others stand in front of them."""

    @abstractmethod
    def through(self, signal: Floats) -> tuple[Floats, Floats]:
        """Return how much each token counts for a mean of tokens: float32 (heads, T'), and (heads,) what goes to none.
        `signal`: how much of the mean each token is that attends, (T,)."""

    def meant(self, token: int | None) -> int | None:
        """Return the token that is asked for; of None the first without a place, None where all have one."""
        if token is not None and not 0 <= token < self.count:
            raise ToolboxError(f"{self.layer} has tokens 0 to {self.count - 1}, not {token}")
        return 0 if token is None and self.attended > self.grid[0] * self.grid[1] else token

    def signal(self, token: int | None) -> Floats:
        """Return a token alone, or of None the mean over all, float32 (T,)."""
        if token is None:
            return np.full(self.count, 1 / self.count, np.float32)
        return (np.arange(self.count) == token).astype(np.float32)


class WholeMixing(Mixing):
    """All tokens with all."""

    def __init__(self, network: Network, layer: str, weights: Floats) -> None:
        """Take weights, float32 (heads, T, T')."""
        self.layer, self._network, self._weights = layer, network, weights
        self.count, self.attended = weights.shape[1:]

    @property
    def grid(self) -> tuple[int, int]:  # type: ignore[override]
        """That of the last layer of so many tokens at or below this one, or the first; `ToolboxError` where none."""
        return grid_of(self._network, self.attended, self.layer)

    def through(self, signal: Floats) -> tuple[Floats, Floats]:
        """Do as the base class says; nothing goes to none."""
        rows = np.flatnonzero(signal)
        return signal[rows] @ self._weights[:, rows], np.zeros(len(self._weights), np.float32)


class WindowMixing(Mixing):
    """The places of each window with those of the same window; those of other windows do not count."""

    def __init__(self, layer: str, grid: tuple[int, int], weights: Floats, places: WindowPlaces) -> None:
        """Take weights, float32 (windows, heads, P, P'), and which places these are."""
        self.layer, self.grid, self.count = layer, grid, grid[0] * grid[1]
        self.attended, self._weights = self.count, weights
        self._attending, self._attended = places.attending.numpy(), places.attended.numpy()

    def through(self, signal: Floats) -> tuple[Floats, Floats]:
        """Do as the base class says; padding is none."""
        own = np.where(self._attending >= 0, signal[self._attending], 0)
        counting = own.any(1)
        given = np.einsum("wp,whpq->wqh", own[counting], self._weights[counting])
        found = np.zeros((self.count + 1, given.shape[2]), np.float32)
        np.add.at(found, self._attended[counting], given)  # -1, none, is the last
        return found[:-1].T, found[-1]


def mixing_of(passes: Pass, layer: str) -> Mixing:
    """Return how a layer mixes tokens in a pass; `ToolboxError` where it tells no attention."""
    layers = passes.network.layers
    described = layers[layers.canonical(layer)]
    if described.attends_in_windows:
        found = passes.attention_in_windows(layer)
        return WindowMixing(layer, described.map_shape, passes.on_cpu(found.weights), found.places)
    return WholeMixing(passes.network, layer, passes.on_cpu(passes.attention(layer)))


def grid_of(network: Network, tokens: int, layer: str) -> tuple[int, int]:
    """Return (rows, columns) of so many tokens: that of the last layer of tokens at or below `layer`, or the first."""
    layers = list(network.layers.values())
    at = [each.name for each in layers].index(network.layers.canonical(layer))
    for each in (*reversed(layers[: at + 1]), *layers[at + 1 :]):
        if each.token_grid is not None and each.shape[0] == tokens:
            return each.token_grid
    raise ToolboxError(f"the {tokens} tokens that {layer} attends to form no grid")
