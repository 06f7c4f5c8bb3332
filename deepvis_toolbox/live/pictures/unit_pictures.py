"""The selected unit's pictures, and one picture of every unit of a layer, as plain data for the panes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind


@dataclass(frozen=True, eq=False)
class ShownPicture:
    """A montage, RGB uint8 H×W×3; or why there is none."""

    image: RGBImage | None = None
    note: str = ""
    command: str = ""
    """What makes it, where it has not been made yet: a command, or how to come by one."""
    progress: str = ""
    """What is being made just now; empty when nothing is."""
    said: str = ""
    """What its file says of it: of what came back from the top images, the look, `MODE:VIEW`."""
    numbers: str = ""
    """How far to trust preferred images, in a few words; empty where that is not known."""


@dataclass(frozen=True, eq=False)
class UnitPictures:
    """All pictures of the unit with this address, by kind (`regularized_opt`, `max_im`, `max_deconv`)."""

    address: str = ""
    shown: dict[UnitImageKind, ShownPicture] = field(default_factory=dict)
    owner: str = ""
    """The address of the unit whose pictures these are, where that is another one."""


@dataclass(frozen=True, eq=False)
class PatternTiles:
    """One picture of every unit of a layer, for pattern mode."""

    layer: str
    pattern: str
    pixels: RGBImage
    """RGB uint8 (units, size, size, 3)."""
    there: NDArray[np.bool_]
    """(units,): which units have a picture."""
    done: bool
    """Whether all that is on the disk has been read."""
    problem: str = ""
    """The first thing that could not be read, as a sentence."""
