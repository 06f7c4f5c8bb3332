"""What a person chose, as plain data, and back: for a screenshot's metadata."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import TypeAdapter, ValidationError

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.state import CHANNEL_BOOSTS, GAMMAS, View
from deepvis_toolbox.words.backward import chosen_backward_modes, chosen_backward_views

_VIEW: TypeAdapter[View] = TypeAdapter(View)
_NOT_RECORDED = {"own", "cursor_area", "layer_index", "unit", "wanted_unit", "layer_scroll", "camera_frozen", "dragged",
                 "entry"}  # fmt: skip
"""What belongs to a pane of a user's own, is said by the address of the unit, or was just being drawn or typed."""


def view_record(view: View) -> dict[str, Any]:
    """Return what a person chose, as plain data for JSON."""
    return dict(_VIEW.dump_python(view, mode="json", exclude=_NOT_RECORDED))


def view_from(record: dict[str, Any]) -> View:
    """Return the view that a record describes; what it does not know is left as at the start. `ToolboxError` where a
    value is none of its field's."""
    known = {name: value for name, value in record.items() if name not in _NOT_RECORDED}
    try:
        view = _VIEW.validate_python(known)
    except ValidationError as error:
        first = error.errors()[0]
        raise ToolboxError(f"view.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    for name, allowed in _allowed().items():
        if getattr(view, name) not in allowed:
            raise ToolboxError(f"view.{name}: {getattr(view, name)!r} is none of {', '.join(map(str, allowed))}")
    return view


def _allowed() -> dict[str, Collection[object]]:
    """Return the values of fields whose types allow for more."""
    return {
        "gamma_index": range(len(GAMMAS)),
        "channel_boost_index": range(len(CHANNEL_BOOSTS)),
        "top": range(1, 1001),
        "backward": chosen_backward_modes(),
        "backward_view": chosen_backward_views(),
    }
