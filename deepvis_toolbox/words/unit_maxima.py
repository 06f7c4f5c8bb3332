"""The largest activations of a layer's units in a data set, as a part of a question that is quickly compared."""

from __future__ import annotations

from dataclasses import dataclass

from deepvis_toolbox.words.images import Floats


@dataclass(frozen=True, eq=False)
class UnitMaxima:
    """What a scan says of a layer's units; equal only to itself, so that asking again costs nothing."""

    values: Floats
    """(units,), in the layer's own scale; NaN where nothing is known. Not written to again."""

    def __repr__(self) -> str:
        return f"UnitMaxima({len(self.values)} units)"
