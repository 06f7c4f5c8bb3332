"""An edit: a change to some units of a layer for one pass, to see what depends on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, Literal, get_args

import numpy as np

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.words.images import Floats

EditKind = Literal["zero", "scale", "paste", "add"]
"""Set to zero; times a factor; set to given values; plus a direction."""

EDIT_KINDS: tuple[EditKind, ...] = get_args(EditKind)


@dataclass(frozen=True, eq=False)
class Edit:
    """A change to the values of a layer's units, behind its rectifier, for one pass. Equal edits are one.

    `units`: numbers of the layer's units, each once. `value`, for all kinds but `zero`: one number; or one for each
    unit, (units,); or maps, (units, H, W), or one for all of them, (H, W); or the values of the whole layer, of which
    those of the units are taken, (C, H, W). Any of these may have the batch's axis in front. For tokens, (T, units)
    and (T, D) stand in the places of (units, H, W) and (C, H, W). Raises `ToolboxError` for what is no edit.
    """

    layer: str
    units: Sequence[int]
    what: EditKind
    value: Any = None
    """A number, or float32 of one of the shapes above; not written to again."""
    _key: tuple[object, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        units = (self.units,) if isinstance(self.units, Integral) else tuple(self.units)
        if self.what not in EDIT_KINDS:
            raise ToolboxError(f"an edit is one of {', '.join(EDIT_KINDS)}, not {self.what!r}")
        if not units or not all(isinstance(unit, Integral) and not isinstance(unit, bool) for unit in units):
            raise ToolboxError(f"an edit's units are numbers, at least one, not {self.units!r}")
        if len(set(units)) != len(units):
            raise ToolboxError(f"an edit names each unit once; {self.layer} has one twice in {list(units)}")
        if (self.value is None) != (self.what == "zero"):
            raise ToolboxError(f'an edit "{self.what}" takes {"no" if self.what == "zero" else "a"} value')
        value = None if self.value is None else _kept(self.value, self)
        object.__setattr__(self, "units", tuple(int(unit) for unit in units))
        object.__setattr__(self, "value", value)
        content = value if value is None else (value.shape, value.tobytes())
        object.__setattr__(self, "_key", (self.layer, self.units, self.what, content))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Edit) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __str__(self) -> str:
        units = f"{self.layer}:{','.join(map(str, self.units))}"
        if self.what == "scale" and self.value.ndim == 0:
            return f"{units} × {self.value:.3g}"
        return f"{units} {_MEANINGS[self.what]}"


_MEANINGS = {"zero": "off", "scale": "scaled", "paste": "pasted", "add": "moved"}


def _kept(value: Any, edit: Edit) -> Floats:
    """Return the value as an array of its own that nobody writes to."""
    if hasattr(value, "detach"):  # a tensor, which this room does not know
        value = value.detach().cpu().numpy()
    try:
        kept = np.array(value, np.float32)
    except (TypeError, ValueError, OverflowError):
        raise ToolboxError(f"the value of an edit of {edit.layer} is a number or an array of them") from None
    if not np.isfinite(kept).all():
        raise ToolboxError(f"the value of an edit of {edit.layer} holds NaN or infinite numbers")
    kept.flags.writeable = False
    return kept
