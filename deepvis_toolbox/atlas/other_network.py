"""The other network of an atlas: which of its units stands for each of the first one's, and their pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepvis_toolbox.counterpart.unit_matching import ProbeMatcher
from deepvis_toolbox.errors import ToolboxError, user_path
from deepvis_toolbox.measure.comparison import why_not_compared
from deepvis_toolbox.unit_images.claim import NetworkIdentity
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind

if TYPE_CHECKING:
    from pathlib import Path

    from deepvis_toolbox.network.interface import Network

KINDS: tuple[UnitImageKind, ...] = ("regularized_opt", "max_im")
"""What is shown of a partner: the preferred images and the top images."""


@dataclass(frozen=True)
class Partners:
    """What stands for a layer's units in the other network. `why_none`: the reason where nothing does, else empty."""

    network: str
    units: tuple[int, ...] = ()
    """The other network's, in the order of the layer's own."""
    correlations: tuple[float, ...] = ()
    """Pearson's, of the two; empty where units go together by their numbers."""
    labels: tuple[str, ...] = ()
    """The other network's names of the partners; empty where it has none."""
    why_none: str = ""

    def said(self, unit: int) -> dict[str, Any]:
        """Return what is said of a unit's partner, as plain data."""
        found: dict[str, Any] = {"unit": self.units[unit]}
        if self.labels:
            found["label"] = self.labels[unit]
        if self.correlations:
            found["correlation"] = self.correlations[unit]
        return found


class OtherNetwork:
    """The network after `--compare`. `pictures`: those of `--probe`, over which units are matched; none: by their
    numbers. `store`: its unit images; None: nothing is shown of them."""

    def __init__(
        self, own: Network, network: Network, name: str, pictures: Sequence[Path], store: UnitImageStore | None
    ) -> None:
        self.network, self.name, self.store = network, name, store
        self.pictures = len(pictures)
        self._own = own
        self._matcher = ProbeMatcher(own, network, list(pictures)) if pictures else None

    def match(self, layers: Sequence[str], advance: Callable[[float], None]) -> None:
        """Match the units of the layers, where that is wanted; `advance` is told of each."""
        if self._matcher is not None:
            self._matcher.match(layers, advance)

    def partners(self, layer: str) -> Partners:
        """Return what stands for a layer's units."""
        channels = self._own.layers[layer].channels
        if refusal := why_not_compared(self._own, self.network, layer):
            return Partners(self.name, why_none=refusal)
        try:
            found = self._matcher.units_of(layer) if self._matcher else None
        except ToolboxError as error:
            return Partners(self.name, why_none=str(error))
        matching = self._matcher.matching(layer) if self._matcher else None
        units = tuple(range(channels)) if found is None else tuple(map(int, found))
        correlations = () if matching is None else tuple(round(float(each), 3) for each in matching.correlations)
        names = self.network.class_names.of(layer)
        return Partners(self.name, units, correlations, tuple(names[unit] for unit in units) if names else ())

    def pictured(self, kind: UnitImageKind, layer: str) -> set[int]:
        """Return its units of a layer that have pictures of a kind."""
        return {unit.channel for unit in self.store.units(kind, layer)} if self.store else set()


def store_of(network: Network, folder: str | None, is_another_model: bool) -> tuple[UnitImageStore | None, str]:
    """Return the store of a network that was opened beside another, and what a user should know of it, or "".

    The first network with other weights has none by itself: what lies in its model's folder was made with the first
    ones. `ToolboxError` where the folder that was named holds another network's pictures.
    """
    if folder is None and not is_another_model:
        return None, ""
    whose, layout = lambda: NetworkIdentity.of(network), network.description.unit_images
    if folder is not None and not is_another_model:
        store = UnitImageStore(user_path(folder), layout.montage, layout.shared, None, whose, layout.views)
    else:
        store = UnitImageStore.for_network(network.description, folder, whose)
    try:
        store.check_network(network)
    except ToolboxError as error:
        if folder is not None:
            raise
        return None, f"no pictures of the other network are shown: {error}"
    return store, ""
