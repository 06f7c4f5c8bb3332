"""What a person chose, as plain data, and back: for a screenshot's metadata."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import TypeAdapter, ValidationError

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.state import CHANNEL_BOOSTS, GAMMAS, View
from deepvis_toolbox.words.backward import chosen_backward_modes, chosen_backward_views
from deepvis_toolbox.words.edit import Edit

_VIEW: TypeAdapter[View] = TypeAdapter(View)
_NOT_RECORDED = {"own", "cursor_area", "layer_index", "unit", "wanted_unit", "layer_scroll", "camera_frozen", "trail",
                 "dragged", "entry", "from_frame", "pinned"}  # fmt: skip
"""What belongs to a pane of a user's own, is said by the address of the unit, is a picture, or was just being drawn or
typed."""


def view_record(view: View) -> dict[str, Any]:
    """Return what a person chose, as plain data for JSON."""
    plain = _VIEW.dump_python(view, mode="json", exclude={*_NOT_RECORDED, "edits"})
    return {**plain, "edits": [_edit_record(edit) for edit in view.edits]}


def view_from(record: dict[str, Any]) -> View:
    """Return the view that a record describes; what it does not know is left as at the start. `ToolboxError` where a
    value is none of its field's."""
    known = {name: value for name, value in record.items() if name not in {*_NOT_RECORDED, "edits"}}
    try:
        view = _VIEW.validate_python(known)
    except ValidationError as error:
        first = error.errors()[0]
        raise ToolboxError(f"view.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    for name, allowed in _allowed().items():
        if getattr(view, name) not in allowed:
            raise ToolboxError(f"view.{name}: {getattr(view, name)!r} is none of {', '.join(map(str, allowed))}")
    view.edits = _edits_from(record.get("edits", []))
    return view


def _edit_record(edit: Edit) -> dict[str, Any]:
    """Return an edit as plain data, with all its values: what was pasted is found nowhere else."""
    value = None if edit.value is None else edit.value.tolist()
    return {"layer": edit.layer, "units": list(edit.units), "what": edit.what, "value": value}


def _edits_from(records: object) -> tuple[Edit, ...]:
    if not isinstance(records, list):
        raise ToolboxError("view.edits: it is no list")
    try:
        return tuple(Edit(str(each["layer"]), each["units"], each["what"], each["value"]) for each in records)
    except (KeyError, TypeError) as error:
        raise ToolboxError(f"view.edits: an edit has layer, units, what and value ({error})") from None
    except ToolboxError as error:
        raise ToolboxError(f"view.edits: {error}") from None


def _allowed() -> dict[str, Collection[object]]:
    """Return the values of fields whose types allow for more."""
    return {
        "gamma_index": range(len(GAMMAS)),
        "channel_boost_index": range(len(CHANNEL_BOOSTS)),
        "top": range(1, 1001),
        "backward": chosen_backward_modes(),
        "backward_view": chosen_backward_views(),
    }
