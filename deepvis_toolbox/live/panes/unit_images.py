"""The selected unit's pictures: nine preferred images, nine top images of a data set, and the deconvs of those."""

from __future__ import annotations

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.pictures import paint_picture
from deepvis_toolbox.drawing.shapes import clear
from deepvis_toolbox.drawing.text import draw_text, wrapped
from deepvis_toolbox.live import actions
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.caption import body_of, draw_badge, draw_caption, draw_note, key_for
from deepvis_toolbox.live.pictures.unit_pictures import ShownPicture
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind

TITLES: dict[UnitImageKind, str] = {
    "regularized_opt": "preferred images",
    "max_im": "top images",
    "max_deconv": "deconv of the top images",
}


def is_shown(state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG001
    return state.show_unit_images


def draw(pixels: Pixels, state: State, snapshot: Snapshot | None, look: Look) -> None:
    """Three montages above each other, each under its caption."""
    for kind, (top, bottom) in _rows(pixels.shape[0], look).items():
        part = pixels[top:bottom]
        if part.shape[0] > look.px(look.caption):
            _draw_kind(part, kind, state, snapshot, look)


def pictures_at(height: int, look: Look, y: int) -> UnitImageKind | None:
    """The kind of pictures in row `y` of a pane of this height; None between them."""
    return next((kind for kind, (top, bottom) in _rows(height, look).items() if top <= y < bottom), None)


def _rows(height: int, look: Look) -> dict[UnitImageKind, tuple[int, int]]:
    """Top and bottom of each kind's part of the pane."""
    gap = look.px(look.gap)
    part = (height - 2 * gap) // 3
    return {kind: (place * (part + gap), place * (part + gap) + part) for place, kind in enumerate(TITLES)}


def _growing(state: State, snapshot: Snapshot | None) -> ShownPicture | None:
    """The selected unit's pictures that are being made just now."""
    growth = snapshot.growth if snapshot else None
    if growth is None or growth.address != state.address or growth.address not in state.growing:
        return None
    return ShownPicture(growth.montage, note=growth.note, progress=growth.note)


def _draw_kind(pixels: Pixels, kind: UnitImageKind, state: State, snapshot: Snapshot | None, look: Look) -> None:
    draw_caption(pixels, look, TITLES[kind], state.address if kind == "regularized_opt" else "")
    body = body_of(pixels, look)
    clear(body, look.panel)
    draw_pictures(body, kind, state, snapshot, look)


def draw_pictures(body: Pixels, kind: UnitImageKind, state: State, snapshot: Snapshot | None, look: Look) -> None:
    """The selected unit's pictures, as large as the pixels allow; or why there are none."""
    shown = _growing(state, snapshot) if kind == "regularized_opt" else None
    shown = shown or picture_of(state, kind)
    if shown.image is not None:
        box = paint_picture(body, shown.image)
        if shown.progress:
            draw_badge(body[box.top : box.bottom, box.left : box.right], look, shown.progress)
    else:
        draw_missing(body, shown, kind, look)


def picture_of(state: State, kind: UnitImageKind) -> ShownPicture:
    """What the state has of this kind for the selected unit; why there is nothing otherwise."""
    if not state.layer:
        return ShownPicture(note=state.loading or "the network is still loading")
    if not state.has_unit_images:
        return ShownPicture(note="this model names no folder for unit images (unit_images.folder)")
    if state.unit_pictures is None or state.unit_pictures.address != state.address:
        return ShownPicture(note="reading …")
    return state.unit_pictures.shown.get(kind, ShownPicture(note="reading …"))


def draw_missing(pixels: Pixels, shown: ShownPicture, kind: str, look: Look) -> None:
    """Why there is no picture, and below, small, how to make it."""
    if not shown.command:
        draw_note(pixels, look, shown.note)
        return
    height, width = pixels.shape[:2]
    room = max(1, width - 2 * look.px(look.margin))
    lines = [(line, look.text) for line in wrapped(shown.note, look.font, room, 1)]
    if kind == "regularized_opt":
        lines += [(f"{key_for(actions.want_pictures)} makes it now, or:", look.dim)]
    line_height = look.small.line_height
    command = wrapped(shown.command, look.small, room, max(1, height // line_height - 3))
    lines += [(line, look.dim) for line in command]
    baseline = (height - len(lines) * line_height) // 2 + look.small.capital_height
    for number, (line, colour) in enumerate(lines):
        font = look.font if number == 0 else look.small
        draw_text(pixels, line, width // 2, baseline + number * line_height, font, colour, "centre", width)
