"""What is compared with: what would be pinned, a small picture of it in the input's corner, what is said of it."""

from __future__ import annotations

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.pictures import paint_picture
from deepvis_toolbox.drawing.shapes import clear
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.words.comparison import Pinned

SHARE = 0.3
"""Of the picture's height and width that the small one takes."""


def pinnable(snapshot: Snapshot | None) -> Pinned | None:
    """Return the picture of the newest answers, as it was computed; None where none was."""
    if snapshot is None or snapshot.error or not snapshot.input_image.size:
        return None
    frame, request = snapshot.frame, snapshot.request
    source = frame.source if frame.is_still else f"{frame.source}, frame {frame.number}"
    changes = [str(edit) for edit in request.edits] + ([str(request.perturbation)] if request.perturbation else [])
    name = ", ".join([source, *changes])
    return Pinned(snapshot.input_image, request.edits, name, snapshot.computed_by, snapshot.bands)


def compared_text(state: State) -> str:
    """Return what the panes show the difference from, or which of two networks they show; empty where neither."""
    pinned, other = state.view.pinned, state.facts.other
    if pinned is not None:
        return f"now − pinned: {pinned.name}"
    if other is None:
        return ""
    shown = {"A": f"A: {other.own_name}", "B": f"B: {other.name}", "A − B": f"A − {other.name}"}
    return shown.get(state.view.networks, "")


def draw_pinned(place: Pixels, scene: Scene) -> None:
    """Draw the pinned frame into the top right corner of the picture's pixels, while there is one."""
    pinned, look = scene.state.view.pinned, scene.look
    height, width = (int(SHARE * side) for side in place.shape[:2])
    if pinned is None or min(height, width) < look.px(24):
        return
    line, pad = look.px(1.5), look.px(6)
    small = place[pad : pad + height + 2 * line, place.shape[1] - pad - width - 2 * line : place.shape[1] - pad]
    clear(small, look.accent)
    paint_picture(small[line:-line, line:-line], pinned.image)
