"""Where a unit needs the picture: its activation while a grey square covers one part after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deepvis_toolbox.measure.measurement import Question
from deepvis_toolbox.measure.where_it_looks import check_unit
from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.images import Floats, Frame
from deepvis_toolbox.words.perturbation import MIDDLE_GREY

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network

SQUARES_ALONG = 7
"""How many squares beside each other cover the shorter side of the picture."""
BATCH = 4
"""Squares looked at in one step, each one forward pass as far as the unit's layer."""


@dataclass(frozen=True, eq=False)
class Occlusion:
    """How much a unit loses where the picture is covered."""

    drops: Floats
    """(rows, columns) of the squares' centres, evenly over the picture: the unit's largest activation, minus that with
    a square there. Where none has been tried yet, that of the nearest that has; NaN before the first."""
    value: float
    """The unit's largest activation with nothing covered."""
    done: float
    """The share of squares that have been tried, 0 to 1."""
    note: str = ""
    """Why there is nothing, as a sentence."""


@dataclass(frozen=True)
class OcclusionMap(Question[Occlusion]):
    """Which parts of a picture that stands still does a unit need (Zeiler & Fergus 2014, section 4.2)?

    No single pass answers it: an `Occluder` does, square by square, coarse to fine.
    """

    layer: str
    unit: int


class Occluder:
    """Tries the squares of one picture. Not for use by two threads at once."""

    def __init__(self, network: Network, question: OcclusionMap, image: Frame, edits: Sequence[Edit] = ()) -> None:
        """`image`: what the network is given, H×W×bands. `ToolboxError` for a unit that is not there."""
        check_unit(network, question.layer, question.unit)
        self._network, self._question, self._image, self._edits = network, question, image, tuple(edits)
        height, width = image.shape[:2]
        self.side = max(1, round(min(height, width) / SQUARES_ALONG))
        self._rows, self._columns = (max(1, round(2 * size / self.side)) for size in (height, width))
        self._drops = np.full((self._rows, self._columns), np.nan, np.float32)
        self._waiting = _coarse_to_fine(self._rows, self._columns)
        self._value = self._values([image])[0]

    @property
    def is_finished(self) -> bool:
        """Whether all squares have been tried."""
        return not self._waiting

    def advance(self) -> None:
        """Try the next few squares."""
        now, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        covered = self._values([self.covered(*place) for place in now]) if now else []
        for place, value in zip(now, covered, strict=True):
            self._drops[place] = self._value - value

    def covered(self, row: int, column: int) -> Frame:
        """Return the picture with the square whose centre lies in this row and column of the map."""
        image = self._image.copy()
        rows, columns = (
            slice(max(0, round(middle - self.side / 2)), round(middle + self.side / 2))
            for middle in (
                (row + 0.5) * image.shape[0] / self._rows,
                (column + 0.5) * image.shape[1] / self._columns,
            )
        )
        image[rows, columns] = MIDDLE_GREY
        return image

    def answer(self) -> Occlusion:
        """Return what is known by now."""
        return Occlusion(_filled(self._drops), self._value, 1 - len(self._waiting) / self._drops.size)

    def _values(self, images: Sequence[Frame]) -> list[float]:
        """Return the unit's largest activation in each picture."""
        import torch

        values = self._network.preprocessing.values_of
        x = torch.from_numpy(np.stack([np.ascontiguousarray(values(image)) for image in images]))
        layer = self._network.layers[self._question.layer]
        found = self._network.forward(x.to(self._network.device), [layer.name], self._edits)[layer.name]
        own = found[..., self._question.unit] if layer.is_tokens else found[:, self._question.unit]
        return own.reshape(len(images), -1).amax(1).tolist()


def _coarse_to_fine(rows: int, columns: int) -> list[tuple[int, int]]:
    """Return all places: first those of every fourth row and column, then of every second, then the others."""
    order: dict[tuple[int, int], None] = {}
    for step in (4, 2, 1):
        order |= dict.fromkeys((row, column) for row in range(0, rows, step) for column in range(0, columns, step))
    return list(order)


def _filled(drops: Floats) -> Floats:
    """Return the map with each place that is not known yet as the nearest above and left that is."""
    found = drops.copy()
    for step in (4, 2, 1):
        rows, columns = np.indices(drops.shape) // step * step
        coarser = drops[rows, columns]
        found = np.where(np.isnan(drops), np.where(np.isnan(coarser), found, coarser), drops)
    return found
