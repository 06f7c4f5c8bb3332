"""Why the selected unit fires: the units below that feed it, or those above that it raises; a click goes there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.shapes import clear
from deepvis_toolbox.drawing.text import draw_text, text_width
from deepvis_toolbox.live import actions_why
from deepvis_toolbox.live.keys import Binding
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.caption import body_box, body_of, draw_caption, draw_note, missing_note
from deepvis_toolbox.live.panes.changed import changed_title
from deepvis_toolbox.live.panes.naming import given_name, number_text
from deepvis_toolbox.live.panes.pane import Hit, Pane, Slot
from deepvis_toolbox.live.panes.unit_tiles import UnitGrid, UnitTile, draw_unit_tiles
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State, Why
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import Contributors, Raised, UnitContributions, UnitEffects, UnitWeights, Weights
from deepvis_toolbox.measure.measurement import Question
from deepvis_toolbox.words.images import Floats
from deepvis_toolbox.words.unit import Unit

TITLES: dict[Why, str] = {"feeds": "what feeds it", "raises": "what it raises", "weights": "its weights", "off": ""}
CONTRIBUTORS = 10
RAISED, RAISED_CLASSES = 6, 4
LINES = 3
"""Of text above the tiles."""


Answer = UnitContributions | UnitEffects | Weights


class WhyPane(Pane):
    """Ten tiles below their sums; or six of the layer above, and four classes."""

    name = "why"
    slot = Slot.RIGHT
    says_what_is_changed = True
    keys = (
        Binding(("v",), actions_why.cycle_why, "Why", "what feeds the selected unit, what it raises, off"),
        Binding(("W",), actions_why.toggle_weights, "Why", "the selected unit's weights, without any picture"),
        Binding(("backspace",), actions_why.come_back, "Why", "back to where the last step of the walk began"),
        Binding((), lambda _: None, "Why", "walk to that unit", "click its tile"),
        Binding((), lambda _: None, "Why", "that unit's preferred images", "mouse over it"),
    )

    def is_shown(self, state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG002
        """Return whether a key asked for it."""
        return state.view.why != "off"

    def needs(self, state: State) -> Iterable[Question[Any]]:
        """Return what feeds the unit, or what it raises; nothing of the input, which nothing feeds."""
        return tuple(question for question in (_main_question(state), _classes_question(state)) if question)

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the sums and the tiles, or say why there are none."""
        state, look = scene.state, scene.look
        title = TITLES[state.view.why]
        draw_caption(pixels, look, title if state.view.why == "weights" else changed_title(title, scene), state.address)
        body = body_of(pixels, look)
        clear(body, look.window)
        answer = _answer(scene)
        if answer is None:
            clear(body, look.panel)
            draw_note(body, look, _why_none(scene))
            return
        for number, (left, right) in enumerate(_sums(answer)):
            baseline = look.small.ascent + number * look.small.line_height
            room = max(0, body.shape[1] - text_width(right, look.small) - look.px(6))
            draw_text(body, left, 0, baseline, look.small, look.dim, width=room)
            draw_text(body, right, body.shape[1], baseline, look.small, look.text, "right")
        top, grid = _grid(body.shape[0], body.shape[1], look)
        draw_unit_tiles(body[top:], _tiles(scene), grid, scene)

    def hit(self, height: int, width: int, scene: Scene, x: int, y: int) -> Hit:
        """Answer the mouse: a click goes to the tile's unit, whose own tiles are shown then."""
        tiles, body = _tiles(scene), body_box(height, width, scene.look)
        top, grid = _grid(body.height, width, scene.look)
        index = grid.index_at(len(tiles), x, y - body.top - top)
        if index is None:
            return Hit()
        unit = tiles[index].unit
        return Hit(unit, partial(actions_why.walk_to, unit=unit), with_pictures=True)


def _answer(scene: Scene) -> Answer | None:
    question = _main_question(scene.state)
    if scene.snapshot is None or question is None:
        return None
    found: Answer | None = scene.snapshot.answers.get(question)
    return found


def _why_none(scene: Scene) -> str:
    question, layer = _main_question(scene.state), scene.state.layer
    if question is None and layer is not None:
        return f"nothing feeds {layer.name}: it is the input"
    return missing_note(scene, question)


def _main_question(state: State) -> Contributors | Raised | UnitWeights | None:
    if state.selected is None or state.layer is None:
        return None
    if state.view.why == "raises":
        return Raised(state.layer.name, state.view.unit, top=RAISED)
    if state.view.why == "weights":
        return UnitWeights(state.layer.name, state.view.unit, CONTRIBUTORS)
    return None if state.view.layer_index == 0 else Contributors(state.layer.name, state.view.unit, CONTRIBUTORS)


def _classes_question(state: State) -> Raised | None:
    """Return which classes the unit raises; None where that is not asked, or they are what it raises anyway."""
    last = state.facts.label_layers[-1] if state.facts.label_layers else None
    if (
        state.view.why != "raises"
        or state.layer is None
        or last is None
        or state.layer.name in state.facts.label_layers
    ):
        return None
    return Raised(state.layer.name, state.view.unit, last, RAISED_CLASSES)


def _grid(height: int, width: int, look: Look) -> tuple[int, UnitGrid]:
    """Return where the tiles begin in a body of this size, and how they lie."""
    top = LINES * look.small.line_height + look.px(4)
    return top, UnitGrid.fitting(CONTRIBUTORS, max(1, height - top), width, look)


def _sums(answer: Answer) -> list[tuple[str, str]]:
    """Return what is said above the tiles: lines of a label and a number."""
    if isinstance(answer, UnitEffects):
        return [(f"units of {answer.layer}", ""), ("largest value as it is,", ""), ("minus that without the unit", "")]
    if isinstance(answer, Weights):
        opened = "rectifiers between are taken as open" if answer.through_rectifiers else ""
        return [(f"kernels for {answer.layer}", ""), ("number: the kernel's norm", ""), (opened, "")]
    place = "" if answer.place is None else f" at {answer.place[0]},{answer.place[1]}"
    return [
        (f"units of {' and '.join(answer.layers)}", ""),
        (f"value{place}", number_text(answer.value)),
        ("bias and what is not linear", number_text(answer.remainder)),
    ]


def _tiles(scene: Scene) -> list[UnitTile]:
    """Return the tiles that are shown, those of classes last."""
    answer = _answer(scene)
    if isinstance(answer, UnitContributions):
        shares = answer.shares.tolist()
        texts = [f"{100 * share:+.{1 if abs(share) < 0.0995 else 0}f} %" for share in shares]
        return _made(scene.state, answer.units, answer.maps, texts, shares, several=len(answer.layers) > 1)
    if isinstance(answer, Weights):
        signed = (answer.sizes * np.sign(answer.sums)).tolist()
        texts = [f"{size:.2g}" for size in answer.sizes.tolist()]
        return _made(scene.state, answer.units, answer.kernels, texts, signed, several=False, are_kernels=True)
    classes = scene.answer(_classes_question(scene.state))
    return [tile for effects in (answer, classes) if effects for tile in _raised(scene.state, effects)]


def _raised(state: State, answer: UnitEffects) -> list[UnitTile]:
    losses = answer.losses.tolist()
    return _made(state, answer.units, answer.maps, [f"{loss:+.2g}" for loss in losses], losses, several=False)


def _made(
    state: State,
    units: Sequence[Unit],
    maps: Sequence[Floats],
    texts: Sequence[str],
    sizes: Sequence[float],
    several: bool,
    are_kernels: bool = False,
) -> list[UnitTile]:
    """Return tiles whose bars are as long as their sizes, the largest being 1. `several`: layers, which are named."""
    scale = max((abs(size) for size in sizes), default=0.0) or 1.0
    tiles = []
    for unit, own, text, size in zip(units, maps, texts, sizes, strict=True):
        given = given_name(state, unit.layer, unit.channel) if state.view.show_labels else ""
        name = given or (str(unit) if several else f"unit {unit.channel}")
        tiles.append(UnitTile(unit, own, name, text, "end" if given else "start", size / scale, are_kernels))
    return tiles
