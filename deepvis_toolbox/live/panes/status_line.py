"""The status line: what is shown and how fast, in columns that stay where they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.shapes import fill
from deepvis_toolbox.drawing.text import Align, Elide, draw_text
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.naming import unit_name
from deepvis_toolbox.live.panes.overlays import overlay_name, overlay_question
from deepvis_toolbox.live.panes.pane import Pane, Slot
from deepvis_toolbox.live.panes.pinned import compared_text
from deepvis_toolbox.live.panes.questions import backward_question, matched_question
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.request import GrowingAverage
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure.measurement import Question


@dataclass(frozen=True)
class Column:
    """One value with its label. Widths are pixels at scale 1."""

    label: str
    value: Callable[[State, Snapshot | None], str]
    width: float
    stretch: float = 0
    """Its share of the width that is left over."""
    rank: int = 0
    """Where the window is narrow, columns of a higher rank are left out first."""
    is_number: bool = False
    elide: Elide = "end"


def _class(state: State, snapshot: Snapshot | None) -> str:
    if state.layer is None:
        return ""
    unit = state.view.unit
    name = unit_name(state, state.layer.name, unit) if state.view.show_labels else f"channel {unit}"
    question = matched_question(state)
    found = snapshot.answer(question) if snapshot and question else None
    if found is None or unit >= len(found.units):
        return name
    return f"{name} · B:{found.units[unit]}, r {found.correlations[unit]:.2f}"


def _backward(state: State, snapshot: Snapshot | None) -> str:  # noqa: ARG001
    return "off" if state.view.backward == "off" else f"{state.view.backward} {state.view.backward_view}"


def _source(state: State, snapshot: Snapshot | None) -> str:
    name = snapshot.frame.source if snapshot else ""
    told = state.facts.source_note or (f"{name} (frozen)" if state.view.camera_frozen and name else name)
    if state.facts.is_filming:
        return f"filming; {told}"
    return f"not recording; {told}" if state.facts.recording_stopped else told


def _rate(rate: float, state: State) -> str:
    """Where the source has gone, the last rates say nothing any more."""
    return f"{min(rate, 9999):.1f}" if rate > 0 and not state.facts.source_gone else "–"


COLUMNS: tuple[Column, ...] = (
    Column("unit", lambda state, _: state.address, 150, stretch=3, elide="start"),
    Column("class or channel", _class, 120, stretch=3, rank=1),
    Column("backward", _backward, 136, rank=1),
    Column("gamma", lambda state, _: f"{state.view.gamma:g}", 44, rank=3),
    Column("per channel", lambda state, _: f"{state.view.channel_boost:g}", 72, rank=3),
    Column("source", _source, 110, stretch=4, rank=2),
    Column("shown fps", lambda state, _: _rate(state.facts.window_rate, state), 66, 0, 0, True),
    Column("source fps", lambda state, snapshot: _rate(snapshot.source_rate if snapshot else 0, state), 62, 0, 4, True),
    Column(
        "network fps", lambda state, snapshot: _rate(snapshot.network_rate if snapshot else 0, state), 70, 0, 1, True
    ),
    Column("dropped", lambda _, snapshot: str(snapshot.dropped_frames if snapshot else 0), 54, 0, 4, True),
    Column("device", lambda _, snapshot: snapshot.device if snapshot else "", 52, 0, 5),
)


CHANGED = Column("changed", lambda state, _: _changed(state), 110, stretch=2, rank=1, elide="start")
"""Stands behind the unit while the network is edited or its input perturbed."""


LESS_OFTEN = Column("every k-th picture", lambda state, _: _less_often(state), 160, stretch=1, rank=1)
"""Stands there, too, while what costs more than a forward pass is not taken of every picture; its label says the k."""


COMPARED = Column("compared", lambda state, _: compared_text(state), 150, stretch=3, rank=1)
"""Stands there, too, while panes show a difference, or one of two networks."""


def status_values(state: State, snapshot: Snapshot | None) -> list[tuple[str, str]]:
    """Return every column's label and value, for who writes them elsewhere."""
    columns = [*COLUMNS[:2], *_more_columns(state, snapshot), *COLUMNS[2:]]
    return [(column.label, column.value(state, snapshot)) for column in columns]


def _changed(state: State) -> str:
    view = state.view
    edits = str(view.edits[0]) if len(view.edits) == 1 else f"{len(view.edits)} edits" if view.edits else ""
    return ", ".join(text for text in (edits, str(view.perturbation)) if text)


class StatusPane(Pane):
    """Labels above, values below, one baseline each."""

    name = "status"
    slot = Slot.STATUS

    def needs(self, state: State) -> Iterable[Question[Any]]:
        """Return which of the other network's units stand for those of the layer, where that has to be found out."""
        question = matched_question(state)
        return () if question is None else (question,)

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the columns that fit."""
        look = scene.look
        height, width = pixels.shape[:2]
        fill(pixels, Box(0, 0, look.px(1), width), look.line)
        value_baseline = height - look.px(10)
        label_baseline = value_baseline - look.px(17)
        for column, left, room in _places(width, look, _more_columns(scene.state, scene.snapshot)):
            align: Align = "right" if column.is_number else "left"
            x = left + room if column.is_number else left
            draw_text(pixels, column.label, x, label_baseline, look.small, look.dim, align, room)
            value = column.value(scene.state, scene.snapshot)
            colour = look.warning if column in (CHANGED, COMPARED) else look.text
            draw_text(pixels, value, x, value_baseline, look.font, colour, align, room, column.elide)


def _less_often(state: State) -> str:
    """Return what is taken of every k-th picture, where that is not of every one; empty where nothing is."""
    backward, overlay = backward_question(state), overlay_question(state)
    backward = backward.of if isinstance(backward, GrowingAverage) else backward
    named = ((overlay, overlay_name(state)), (backward, "backward"))
    return ", ".join(name for question, name in named if question is not None and question.belongs_to_picture)


def _more_columns(state: State, snapshot: Snapshot | None = None) -> list[Column]:
    """Return what stands behind the unit only at times."""
    every = snapshot.every if snapshot else 1
    less_often = replace(LESS_OFTEN, label=f"every {({2: '2nd', 3: '3rd'}).get(every, f'{every}th')} picture")
    is_on = {
        COMPARED: bool(compared_text(state)),
        CHANGED: state.view.is_changed,
        less_often: every > 1 and bool(_less_often(state)),
    }
    return [column for column, shown in is_on.items() if shown]


def _places(width: int, look: Look, more: Sequence[Column] = ()) -> list[tuple[Column, int, int]]:
    """Return the columns that fit, each with its left edge and its width."""
    space, margin = look.px(16), look.px(look.margin)
    columns = [*COLUMNS[:2], *more, *COLUMNS[2:]]
    while len(columns) > 1 and _least(columns, look, space) > width - 2 * margin:
        columns.remove(max(reversed(columns), key=lambda column: column.rank))
    spare = max(0, width - 2 * margin - _least(columns, look, space))
    stretch = sum(column.stretch for column in columns) or 1
    places, left = [], margin
    for column in columns:
        room = look.px(column.width) + int(spare * column.stretch / stretch)
        places.append((column, left, room))
        left += room + space
    return places


def _least(columns: list[Column], look: Look, space: int) -> int:
    return sum(look.px(column.width) for column in columns) + space * (len(columns) - 1)
