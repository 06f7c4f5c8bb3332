"""Which unit of another network stands for each of this one's: those that go together over pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.measure.comparison import why_not_compared
from deepvis_toolbox.measure.needs import Needs
from deepvis_toolbox.measure.pass_maker import PassMaker, Picture
from deepvis_toolbox.measure.who_fires import flat_maps
from deepvis_toolbox.words.comparison import UnitMatching
from deepvis_toolbox.words.images import RGBImage

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network

MOST_UNITS = 2048
"""Of a layer: its matrix of correlations takes 32 MiB, and its matching seconds."""


class CorrelationSums:
    """Sums of products of two layers' values, from which their units' correlations follow.

    Of n values that have nothing to do with each other, the largest of N correlations is about √(2 ln N / n). It has to
    be below one half for any matching to be worth a look.
    """

    def __init__(self, units: int) -> None:
        self._count = 0
        self._totals = torch.zeros((2, units), dtype=torch.float64)
        self._squares = torch.zeros((2, units), dtype=torch.float64)
        self._products = torch.zeros((units, units), dtype=torch.float64)

    def add(self, own: torch.Tensor, other: torch.Tensor) -> None:
        """Take in the values of both layers at the same places of one picture, float32 (units, places) each; what is
        not finite counts as 0."""
        values = [torch.nan_to_num(each.detach().cpu().double(), posinf=0.0, neginf=0.0) for each in (own, other)]
        self._count += values[0].shape[1]
        for place, each in enumerate(values):
            self._totals[place] += each.sum(1)
            self._squares[place] += each.square().sum(1)
        self._products += values[0] @ values[1].T

    def correlations(self) -> NDArray[np.float64]:
        """Return Pearson's correlation of each unit with each of the other layer's, float64 (units, units); 0 where one
        of the two never varies."""
        totals = self._totals.numpy()
        covariances = self._products.numpy() - np.outer(totals[0], totals[1]) / max(1, self._count)
        squares = self._squares.numpy()
        variances = squares - totals**2 / max(1, self._count)
        deviations = np.sqrt(np.where(variances > 1e-12 * squares, variances, 0))
        size = np.outer(deviations[0], deviations[1])
        return np.clip(np.divide(covariances, size, out=np.zeros_like(covariances), where=size > 0), -1, 1)

    def matching(self) -> UnitMatching:
        """Return the assignment, each unit to one, whose correlations have the largest sum (Kuhn 1955).

        `ToolboxError` where so few values were seen that any two units may go together by chance.
        """
        from scipy.optimize import linear_sum_assignment

        units = len(self._products)
        if self._count < (needed := math.ceil(8 * math.log(max(2, units)))):
            raise ToolboxError(
                f"{self._count} values of each are too few to match {units} units by correlation: see more pictures "
                f"({needed} values at least)"
            )
        correlations = self.correlations()
        own, other = linear_sum_assignment(correlations, maximize=True)
        return UnitMatching(other.astype(np.int32), correlations[own, other].astype(np.float32))


def why_not_matched(network: Network, other: Network, layer: str) -> str:
    """Return why the units of a layer cannot be matched, as a sentence; empty where they can."""
    channels = network.layers[layer].channels
    if channels > MOST_UNITS:
        return (
            f"{layer} has {channels} units, too many to be matched by correlation ({MOST_UNITS} at most); "
            "without --probe they are compared by their numbers"
        )
    return why_not_compared(network, other, layer)


class LayersMatcher:
    """Matches the units of layers over pictures that are seen one after the other."""

    def __init__(self, network: Network, other: Network, layers: Iterable[str]) -> None:
        """Raise `ToolboxError` where the other network has no such layer, and for one with too many units."""
        self._sums: dict[str, CorrelationSums] = {}
        for layer in layers:
            if refusal := why_not_matched(network, other, layer):
                raise ToolboxError(refusal)
            self._sums[layer] = CorrelationSums(network.layers[layer].channels)
        self._makers = [PassMaker(each) for each in (network, other)]

    def see(self, frame: RGBImage) -> None:
        """Take in a picture, RGB uint8 H×W×3 of any size, which both networks see as they are used to."""
        passes = [maker.over(Picture(frame))[0] for maker in self._makers]
        for each in passes:
            each.run_forward(Needs(frozenset(self._sums)), record_all=False)
        for layer, sums in self._sums.items():
            sums.add(*(flat_maps(each, each.activations(layer), layer) for each in passes))

    def matching(self, layer: str) -> UnitMatching:
        """Return what goes together in a layer over all pictures seen."""
        return self._sums[layer].matching()
