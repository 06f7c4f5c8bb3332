"""What a picture's values are compared with: those of a pinned picture, or those of another network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from deepvis_toolbox.words.edit import Edit


@dataclass(frozen=True, eq=False)
class Pinned:
    """A picture that is kept, and the edits it was computed with; its values are computed again where they are asked
    for. Equal only to itself."""

    image: Any = field(repr=False)
    """As the network saw it, perturbation and all: RGB uint8, H×W×3 of its input's size; not written to again."""
    edits: tuple[Edit, ...] = ()
    name: str = ""
    """Where it came from."""
    computed_by: Any = field(default=None, repr=False)
    """A weak reference to the network that computed it; None: any may."""


@dataclass(frozen=True)
class OtherNetwork:
    """Another network, which sees the same picture, prepared and cut as it is used to; it is never edited."""


Reference = Pinned | OtherNetwork
OTHER_NETWORK = OtherNetwork()
