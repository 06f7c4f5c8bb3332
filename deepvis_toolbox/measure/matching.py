"""Which unit of another network stands for each of this one's: those that go together over pictures."""

from __future__ import annotations

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
    """Sums of products of two layers' values, from which their units' correlations follow."""

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
        """Return the assignment, each unit to one, whose correlations have the largest sum (Kuhn 1955)."""
        from scipy.optimize import linear_sum_assignment

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


class LayerMatcher:
    """Matches the units of one layer over pictures that are seen one after the other."""

    def __init__(self, network: Network, other: Network, layer: str) -> None:
        """Raise `ToolboxError` where the other network has no such layer, and for one with too many units."""
        if refusal := why_not_matched(network, other, layer):
            raise ToolboxError(refusal)
        self._layer = layer
        self._makers = [PassMaker(each) for each in (network, other)]
        self._sums = CorrelationSums(network.layers[layer].channels)

    def see(self, frame: RGBImage) -> None:
        """Take in a picture, RGB uint8 H×W×3 of any size, which both networks see as they are used to."""
        values = []
        for maker in self._makers:
            passes, _ = maker.over(Picture(frame))
            passes.run_forward(Needs(frozenset({self._layer})), record_all=False)
            values.append(flat_maps(passes, passes.activations(self._layer), self._layer))
        self._sums.add(*values)

    def matching(self) -> UnitMatching:
        """Return what goes together over all pictures seen."""
        return self._sums.matching()
