"""The network that is opened beside the window's own, to be compared with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deepvis_toolbox.live.other_network import OtherNetworkFacts
from deepvis_toolbox.measure.comparison import why_not_compared

if TYPE_CHECKING:
    from deepvis_toolbox.live.work.frame_processor import FrameProcessor
    from deepvis_toolbox.live.work.lower_rate import LowerRate
    from deepvis_toolbox.network.interface import Network


@dataclass(frozen=True)
class Counterpart:
    """Belongs to the thread that computes. A context manager: leaving it releases the network."""

    network: Network
    name: str
    """What the command line calls it."""
    probe: tuple[Path, ...] = ()
    """Pictures over which units are matched; none: they are matched by their numbers."""

    def processor(
        self, own: Network, clock: Callable[[], float], at_once: bool = False, lower_rate: LowerRate | None = None
    ) -> FrameProcessor:
        """Return what answers requests for the network `own` beside this one; `at_once`: see `UnitMatcher`,
        `lower_rate`: `FrameProcessor`."""
        from deepvis_toolbox.live.work.frame_processor import FrameProcessor  # torch; not before the window is open
        from deepvis_toolbox.live.work.unit_matching import UnitMatcher

        matcher = UnitMatcher(own, self.network, list(self.probe), at_once) if self.probe else None
        return FrameProcessor(own, clock, self.network, matcher, lower_rate)

    def facts(self, own: Network) -> OtherNetworkFacts:
        """Return what the window has to know of it, beside the network `own`."""
        other = self.network
        both = frozenset(name for name in own.layers if not why_not_compared(own, other, name))
        classes = [_class_count(each) for each in (own, other)]
        agree = classes[0] == classes[1] > 0 and (own.labels == other.labels or not (own.labels and other.labels))
        labels = other.labels or (own.labels if agree else ())
        return OtherNetworkFacts(own.name, self.name, both, labels, classes[1] > 0, agree, bool(self.probe))

    def __enter__(self) -> Counterpart:
        return self

    def __exit__(self, *_: object) -> None:
        self.network.close()


OpenCounterpart = Callable[["Network"], Counterpart]
"""Called with the network that the other one is opened beside."""


def _class_count(network: Network) -> int:
    name = network.probability_layer
    return network.layers[name].channels if name else 0
