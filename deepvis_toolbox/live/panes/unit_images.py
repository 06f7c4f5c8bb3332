"""The selected unit's pictures: nine preferred images, nine top images of a data set, and the deconvs of those."""

from __future__ import annotations

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.pictures import paint_picture
from deepvis_toolbox.drawing.shapes import clear
from deepvis_toolbox.drawing.text import draw_text, wrapped
from deepvis_toolbox.live import actions
from deepvis_toolbox.live.keys import Binding
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.caption import body_of, draw_badge, draw_caption, draw_note, fits_beside
from deepvis_toolbox.live.panes.pane import Hit, Pane, Slot
from deepvis_toolbox.live.panes.questions import growing_question
from deepvis_toolbox.live.pictures.unit_pictures import ShownPicture
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.unit_images.numbers import BETWEEN
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind

TITLES: dict[UnitImageKind, str] = {
    "regularized_opt": "preferred images",
    "max_im": "top images",
    "max_deconv": "backward of the top images",
}


class UnitImagesPane(Pane):
    """Three montages above each other, each under its caption."""

    name = "unit images"
    slot = Slot.RIGHT
    keys = (
        Binding(("9",), actions.toggle_unit_images, "Unit images", "the selected unit's pictures on or off"),
        Binding(("s",), actions.toggle_pattern_preferred, "Unit images", "pattern mode: every unit's preferred image"),
        Binding(("S",), actions.toggle_pattern_top, "Unit images", "pattern mode: every unit's top image"),
        Binding(("g",), actions.want_pictures, "Unit images", "make the selected unit's preferred images now"),
    )

    def is_shown(self, state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG002
        """Return whether no key hides it, and no other pane has taken its place."""
        return state.view.show_unit_images and not state.view.asks_why

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the kinds of pictures for which there is room."""
        for kind, (top, bottom) in _rows(pixels.shape[0], scene.look).items():
            part = pixels[top:bottom]
            if part.shape[0] > scene.look.px(scene.look.caption):
                _draw_kind(part, kind, scene)

    def hit(self, height: int, width: int, scene: Scene, x: int, y: int) -> Hit:  # noqa: ARG002
        """Answer the mouse: a double click enlarges the pictures under the mouse."""
        kind = pictures_at(height, scene.look, y)
        if kind is None:
            return Hit()
        return Hit(kind, double_click=lambda state: actions.toggle_zoom(state, "unit", kind))


def title_of(kind: UnitImageKind, state: State) -> str:
    """Return what the selected unit's pictures of this kind are called; backward images by how they were made."""
    said = picture_of(state, kind).said
    if kind != "max_deconv" or not said:
        return TITLES[kind]
    return f"{said.removesuffix(':raw').replace(':', ' ')} of the top images"


def pictures_at(height: int, look: Look, y: int) -> UnitImageKind | None:
    """Return the kind of pictures in row `y` of a pane of this height; None between them."""
    return next((kind for kind, (top, bottom) in _rows(height, look).items() if top <= y < bottom), None)


def _rows(height: int, look: Look) -> dict[UnitImageKind, tuple[int, int]]:
    """Return top and bottom of each kind's part of the pane."""
    gap = look.px(look.gap)
    part = (height - 2 * gap) // 3
    return {kind: (place * (part + gap), place * (part + gap) + part) for place, kind in enumerate(TITLES)}


def _growing(scene: Scene) -> ShownPicture | None:
    """Return the selected unit's pictures that are being made just now."""
    growth = scene.answer(growing_question(scene.state))
    if growth is None:
        return None
    return ShownPicture(growth.montage, note=growth.note, progress=growth.note)


def _draw_kind(pixels: Pixels, kind: UnitImageKind, scene: Scene) -> None:
    look = scene.look
    title = title_of(kind, scene.state)
    details = _details(scene) if kind == "regularized_opt" else [""]
    fitting = (detail for detail in details if fits_beside(detail, title, pixels.shape[1], look))
    draw_caption(pixels, look, title, next(fitting, details[-1]))
    body = body_of(pixels, look)
    clear(body, look.panel)
    draw_pictures(body, kind, scene)


def _whose(state: State) -> str:
    """Return the unit whose pictures are shown; where it is not the selected one, that is said."""
    pictures = state.facts.unit_pictures
    borrowed = pictures is not None and pictures.address == state.address and pictures.owner
    return f"of {pictures.owner}" if pictures and borrowed else state.address


def _details(scene: Scene) -> list[str]:
    """Return how far to trust the preferred images, where that is known, and whose they are; from all of it to the
    least, since what has no room is left out rather than cut. The selected unit's own address also stands elsewhere."""
    state, whose = scene.state, _whose(scene.state)
    numbers = "" if _growing(scene) else picture_of(state, "regularized_opt").numbers
    if not numbers:
        return [whose]
    parts, others = numbers.split(BETWEEN), [] if whose == state.address else [whose]
    shorter = [BETWEEN.join([*parts[:count], *others]) for count in range(len(parts) - 1, 0, -1)]
    return [
        BETWEEN.join([*parts, whose]),
        BETWEEN.join([*parts, *others]),
        " ".join([*parts, *others]),
        *shorter,
        whose,
    ]


def draw_pictures(body: Pixels, kind: UnitImageKind, scene: Scene) -> None:
    """Draw the selected unit's pictures, as large as the pixels allow; or why there are none."""
    look = scene.look
    shown = _growing(scene) if kind == "regularized_opt" else None
    shown = shown or picture_of(scene.state, kind)
    if shown.image is not None:
        box = paint_picture(body, shown.image)
        if shown.progress:
            draw_badge(body[box.top : box.bottom, box.left : box.right], look, shown.progress)
    else:
        draw_missing(body, shown, kind, scene)


def picture_of(state: State, kind: UnitImageKind) -> ShownPicture:
    """Return what the state has of this kind for the selected unit; why there is nothing otherwise."""
    if not state.layer:
        return ShownPicture(note=state.facts.loading or "the network is still loading")
    if not state.facts.has_unit_images:
        return ShownPicture(note="this model names no folder for unit images (unit_images.folder)")
    if state.facts.unit_pictures is None or state.facts.unit_pictures.address != state.address:
        return ShownPicture(note="reading …")
    return state.facts.unit_pictures.shown.get(kind, ShownPicture(note="reading …"))


def draw_missing(pixels: Pixels, shown: ShownPicture, kind: UnitImageKind, scene: Scene) -> None:
    """Write why there is no picture, and below, small, how to make it."""
    look = scene.look
    if not shown.command:
        draw_note(pixels, look, shown.note)
        return
    height, width = pixels.shape[:2]
    room = max(1, width - 2 * look.px(look.margin))
    lines = [(line, look.text) for line in wrapped(shown.note, look.font, room, 1)]
    if kind == "regularized_opt" and scene.state.facts.makes_pictures:
        lines += [(f"{scene.keys.label_for(actions.want_pictures)} makes it now, or:", look.dim)]
    line_height = look.small.line_height
    command = wrapped(shown.command, look.small, room, max(1, height // line_height - 3))
    lines += [(line, look.dim) for line in command]
    baseline = (height - len(lines) * line_height) // 2 + look.small.capital_height
    for number, (line, colour) in enumerate(lines):
        font = look.font if number == 0 else look.small
        draw_text(pixels, line, width // 2, baseline + number * line_height, font, colour, "centre", width)
