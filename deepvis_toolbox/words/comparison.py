"""What a picture's values are compared with: those of a pinned picture, or those of another network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.words.edit import Edit
from deepvis_toolbox.words.images import Floats


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
    bands: Any = field(default=None, repr=False)
    """What the network was given, H×W×bands of its input's size, where that is more than the picture."""

    @property
    def fitted(self) -> Any:
        """What the network is given again."""
        return self.image if self.bands is None else self.bands


@dataclass(frozen=True)
class OtherNetwork:
    """Another network, which sees the same picture, prepared and cut as it is used to; it is never edited."""


Reference = Pinned | OtherNetwork
OTHER_NETWORK = OtherNetwork()


@dataclass(frozen=True, eq=False)
class UnitMatching:
    """One unit of the other network for each of this one's, none twice."""

    units: NDArray[np.int32]
    """(units,): the other network's, in the order of this one's."""
    correlations: Floats
    """(units,): Pearson's, of the two; 0 for a unit that never varies."""
