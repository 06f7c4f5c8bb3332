"""A unit's pictures while they are being made, as plain data for the window."""

from __future__ import annotations

from dataclasses import dataclass

from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.unit import Unit


@dataclass(frozen=True, eq=False)
class Growth:
    """How far the preferred images of one unit are."""

    unit: Unit
    montage: RGBImage | None
    """The finished pictures and the one that grows, 3×3, RGB uint8; None before the first step."""
    note: str
    """`picture 2 of 9, step 37 of 500`, or why there is nothing to be made."""
    done: bool = False
    """All is made and saved (or cannot be made)."""
