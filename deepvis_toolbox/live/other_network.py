"""What the window has to know of the network that is opened beside the one it shows, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NetworksShown = Literal["", "A", "B", "A − B"]
"""Empty where there is one network only."""
NETWORKS: tuple[NetworksShown, ...] = ("A − B", "A", "B")
"""What a key cycles through."""


@dataclass(frozen=True)
class OtherNetworkFacts:
    """Network A is the window's own, B is this one."""

    own_name: str
    name: str
    layers: frozenset[str] = frozenset()
    """Layers of A that B has, too, in the same shape."""
    labels: tuple[str, ...] = ()
    has_classes: bool = False
    classes_agree: bool = False
    """B's classes are A's, in the same order, as far as is known."""
    is_matched: bool = False
    """Units are matched by what they do, not by their numbers."""
