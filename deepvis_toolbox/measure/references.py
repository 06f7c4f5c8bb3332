"""What a picture's pass is compared with: passes over a pinned picture and of another network, as far as asked for."""

from __future__ import annotations

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.measure.pass_maker import PassMaker, Picture, pass_over_fitted
from deepvis_toolbox.measure.passes import MatchedUnits, Pass
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.words.comparison import Pinned, Reference


class References:
    """Keeps one pass of each sort, and of it no more than the activations that were asked for last."""

    def __init__(self, network: Network, other: Network | None = None, matched: MatchedUnits | None = None) -> None:
        """Take `matched`, which says which of the other network's units stand for a layer's."""
        self._network = network
        self._other = PassMaker(other, matched=matched) if other else None
        self._picture: Picture | None = None
        self._passes: dict[Reference, Pass] = {}
        self._asked: set[Reference] = set()

    def follow(self, picture: Picture) -> None:
        """Go on to another picture; what was not asked of the last one is forgotten."""
        if self._passes:
            pinned = {each: kept for each, kept in self._passes.items() if isinstance(each, Pinned)}
            self._passes = {each: kept for each, kept in pinned.items() if each in self._asked}
        self._picture = picture
        self._asked.clear()

    def pass_of(self, reference: Reference) -> Pass:
        """Return the pass to compare with; `ToolboxError` where there is none."""
        self._asked.add(reference)
        if reference not in self._passes:
            found = self._of_pinned(reference) if isinstance(reference, Pinned) else self._of_other()
            self._passes[reference] = found
        return self._passes[reference]

    def _of_pinned(self, pinned: Pinned) -> Pass:
        if pinned.computed_by is not None and pinned.computed_by() is not self._network:
            raise ToolboxError("the pinned frame was computed with other weights than the network has now")
        if pinned.fitted.shape[:2] != self._network.preprocessing.size:
            height, width = pinned.fitted.shape[:2]
            raise ToolboxError(f"the pinned picture has {width}×{height} pixels, which is not the input's size")
        return pass_over_fitted(self._network, pinned.fitted, edits=pinned.edits)

    def _of_other(self) -> Pass:
        if self._other is None or self._picture is None:
            raise ToolboxError("there is no other network to compare with; --compare names one")
        return self._other.over(self._picture)[0]
