"""Forward and backward passes over a loaded Caffe network, planned as steps for its process."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from deepvis_toolbox.caffe.process import Step
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.words.backward import BackwardMode, check_backward_mode

_NO_DERIVATIVE = frozenset({"ArgMax", "Threshold"})
"""Layers whose derivative is zero; Caffe has none and would end its process."""


CAFFE_MODES: tuple[BackwardMode, ...] = ("grad", "deconv", "guided")
"""The backward modes that the steps of Caffe's process can carry out."""


def check_caffe_mode(mode: str) -> None:
    """Raise `ToolboxError` for a backward mode that does not exist, or that Caffe cannot compute."""
    check_backward_mode(mode)
    if mode not in CAFFE_MODES:
        raise ToolboxError(
            f'real Caffe computes the backward modes {", ".join(CAFFE_MODES)}; "{mode}" needs the engine torch'
        )


@dataclass(frozen=True)
class CaffeLayer:
    """One layer as Caffe runs it, Split layers included; blobs are indices."""

    name: str
    type: str
    bottoms: tuple[int, ...]
    tops: tuple[int, ...]


class Passes:
    """Plans passes over `layers`, which are in Caffe's order of computation, each blob written by one and read by one.

    The layers named in `rectifiers` follow the backward mode's rule. In a deconv, the signal passes the layers named in
    `passed` unchanged.
    """

    def __init__(
        self, layers: Sequence[CaffeLayer], passed: Collection[str] = (), rectifiers: Collection[str] = ()
    ) -> None:
        self._layers = list(layers)
        self._passed, self._rectifiers = frozenset(passed), frozenset(rectifiers)

    def needed_for(self, blobs: Iterable[int]) -> set[int]:
        """Return the layers (indices) that must run for these blobs to hold their values."""
        wanted = set(blobs)
        needed = set()
        for index in reversed(range(len(self._layers))):
            if wanted.intersection(self._layers[index].tops):
                needed.add(index)
                wanted.update(self._layers[index].bottoms)
        return needed

    def forward(self, layers: Collection[int]) -> list[Step]:
        """Return the steps that run these layers in order."""
        return [("forward", first, last) for first, last in _ranges(sorted(layers))]

    def backward(self, origin: int, targets: Collection[int], mode: BackwardMode) -> tuple[list[Step], set[int]]:
        """Return steps from a diff set in the blob `origin` down to the blobs `targets`; and those of them it reaches.

        The steps clear old diffs, take the diff as their one array, and leave what arrives in the targets' diffs.
        """
        path, reached = self._path(origin, set(targets))
        touched = {origin}.union(*(self._layers[i].bottoms + self._layers[i].tops for i in path))
        steps: list[Step] = [("clear_diffs", sorted(touched)), ("set_diff", origin)]
        plain: list[int] = []
        for index in path:
            special = self._special(self._layers[index], mode)
            if special is None:
                plain.append(index)
            else:
                steps += [*_backward_steps(plain), special]
                plain = []
        return steps + _backward_steps(plain), reached & set(targets)

    def _path(self, origin: int, targets: set[int]) -> tuple[list[int], set[int]]:
        """Return the layers between origin and targets, from the top down, and all blobs that get a signal."""
        leading = set(targets)
        for layer in self._layers:
            if leading.intersection(layer.bottoms) and layer.type not in _NO_DERIVATIVE:
                leading.update(layer.tops)
        path, reached = [], {origin}
        for index in reversed(range(len(self._layers))):
            layer = self._layers[index]
            leads_down = leading.intersection(layer.bottoms) and layer.type not in _NO_DERIVATIVE
            if leads_down and reached.intersection(layer.tops):
                path.append(index)
                reached.update(layer.bottoms)
        return path, reached

    def _special(self, layer: CaffeLayer, mode: BackwardMode) -> Step | None:
        """Return what a backward mode does in place of the layer's own backward pass, if anything."""
        if mode != "grad" and layer.name in self._rectifiers:
            return ("rectify_diff", layer.tops[0], layer.bottoms[0], mode == "guided")
        if mode == "deconv" and layer.name in self._passed:
            return ("copy_diff", layer.tops[0], layer.bottoms[0])
        return None


def _backward_steps(descending: Sequence[int]) -> list[Step]:
    return [("backward", last, first) for first, last in reversed(_ranges(sorted(descending)))]


def _ranges(ascending: Sequence[int]) -> list[tuple[int, int]]:
    """Return runs of consecutive numbers, as (first, last)."""
    ranges: list[tuple[int, int]] = []
    for index in ascending:
        if ranges and ranges[-1][1] == index - 1:
            ranges[-1] = (ranges[-1][0], index)
        else:
            ranges.append((index, index))
    return ranges
